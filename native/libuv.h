// The few functions of libuv that the addon calls. Node exports them, and their ABI is fixed for
// all of libuv 1.x, but Node-API's headers do not carry uv.h; handles are therefore allocated by
// uv_handle_size.
#pragma once

#include <cstddef>

struct uv_loop_s;

extern "C" {

struct uv_handle_s;
struct uv_poll_s;
struct uv_idle_s;
struct uv_prepare_s;

constexpr int UV_IDLE = 6;  // of uv_handle_type
constexpr int UV_POLL = 8;
constexpr int UV_PREPARE = 9;
constexpr int UV_READABLE = 1;

size_t uv_handle_size(int type);
void* uv_handle_get_data(const uv_handle_s* handle);
void uv_handle_set_data(uv_handle_s* handle, void* data);
void uv_close(uv_handle_s* handle, void (*done)(uv_handle_s*));
void uv_ref(uv_handle_s* handle);
void uv_unref(uv_handle_s* handle);
int uv_poll_init(uv_loop_s* loop, uv_poll_s* handle, int descriptor);
int uv_poll_start(uv_poll_s* handle, int events, void (*ready)(uv_poll_s*, int, int));
int uv_poll_stop(uv_poll_s* handle);
int uv_idle_init(uv_loop_s* loop, uv_idle_s* handle);
int uv_idle_start(uv_idle_s* handle, void (*turn)(uv_idle_s*));
int uv_idle_stop(uv_idle_s* handle);
int uv_prepare_init(uv_loop_s* loop, uv_prepare_s* handle);
int uv_prepare_start(uv_prepare_s* handle, void (*turn)(uv_prepare_s*));
int uv_prepare_stop(uv_prepare_s* handle);
const char* uv_err_name(int code);
const char* uv_strerror(int code);

}  // extern "C"
