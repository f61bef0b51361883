// The parts that all files of Node-API's side share: reading arguments, telling failures, and the
// open regions.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "failure.h"
#include "libuv.h"
#include "region.h"

namespace hotspare {

constexpr double kSafeIntegerMax = 9007199254740991;
constexpr double kGiB = 1024.0 * 1024 * 1024;

/// Reads arguments; the first bad one throws in JavaScript, and the rest read as zero.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& call) : call_(call), env_(call.Env()) {}

  bool good() const { return good_; }

  double number(size_t index, const char* name, double low, double high) {
    return checked(call_[index], name, low, high);
  }
  /// An integer field of the options object that is argument `index`.
  double field(size_t index, const char* name, double low, double high) {
    return checked(get(index, name), name, low, high);
  }
  bool flag(size_t index, const char* name) {
    const Napi::Value value = get(index, name);
    return require(value.IsBoolean(), name, "must be a boolean") &&
           value.As<Napi::Boolean>().Value();
  }
  /// Empty for null.
  std::string textOrNull(size_t index, const char* name) {
    const Napi::Value value = get(index, name);
    return value.IsNull() ? std::string() : text(value, name);
  }
  std::string text(const Napi::Value& value, const char* name) {
    if (!require(value.IsString(), name, "must be a string")) return {};
    return value.As<Napi::String>().Utf8Value();
  }
  std::string textField(size_t index, const char* name) { return text(get(index, name), name); }
  /// bytes[offset, offset + length) of three arguments in a row.
  const uint8_t* bytes(size_t index, size_t* length) {
    const double offset = number(index + 1, "offset", 0, kSafeIntegerMax);
    const double count = number(index + 2, "length", 0, kSafeIntegerMax);
    napi_typedarray_type type{};
    size_t whole = 0;
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(env_, call_[index], &type, &whole, &data, nullptr, nullptr);
    const bool fits = status == napi_ok && type == napi_uint8_array;
    if (!require(fits, "bytes", "must be a Uint8Array")) return nullptr;
    if (!require(offset + count <= static_cast<double>(whole), "offset and length",
                 "must lie within bytes")) {
      return nullptr;
    }
    *length = static_cast<size_t>(count);
    return static_cast<uint8_t*>(data) + static_cast<size_t>(offset);
  }
  bool require(bool condition, const char* name, const char* must) {
    if (!condition && good_) {
      good_ = false;
      Napi::RangeError::New(env_, std::string(name) + " " + must).ThrowAsJavaScriptException();
    }
    return good_;
  }

 private:
  Napi::Value get(size_t index, const char* name) {
    if (!good_ || !require(call_[index].IsObject(), "options", "must be an object")) {
      return env_.Undefined();
    }
    return call_[index].As<Napi::Object>().Get(name);
  }
  double checked(const Napi::Value& value, const char* name, double low, double high) {
    double number = 0;
    const bool isNumber = napi_get_value_double(env_, value, &number) == napi_ok;
    if (!require(isNumber, name, "must be a number")) return 0;
    const bool fits = number >= low && number <= high && number == std::floor(number);
    return require(fits, name, "is out of range or not an integer") ? number : 0;
  }

  const Napi::CallbackInfo& call_;
  Napi::Env env_;
  bool good_ = true;
};

inline Napi::Value failureOf(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  // EAGAIN and EWOULDBLOCK are one number; where a lock is meant, EWOULDBLOCK is the usual name.
  object["error"] = failure.code == EWOULDBLOCK ? "EWOULDBLOCK" : uv_err_name(-failure.code);
  object["call"] = failure.call;
  return object;
}

/// A region, and the ArrayBuffers over it: kept alive, so that they can be detached before it is
/// unmapped.
struct OpenRegion {
  std::shared_ptr<Region> region;  // a thread that works on it holds it, too
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers;
};

/// The objects of one JavaScript environment.
struct Instance {
  std::vector<OpenRegion> regions;
  Napi::FunctionReference transport;  // the class
  Napi::FunctionReference fabric;     // the class
  Napi::FunctionReference cipher;     // the class
};

/// The region that argument 0 names, or null with an exception.
inline OpenRegion* regionOf(const Napi::CallbackInfo& call, Arguments* arguments) {
  std::vector<OpenRegion>& regions = call.Env().GetInstanceData<Instance>()->regions;
  const double id = arguments->number(0, "id", 0, static_cast<double>(regions.size()) - 1);
  if (!arguments->good()) return nullptr;
  OpenRegion* open = &regions[static_cast<size_t>(id)];
  return arguments->require(open->region != nullptr, "region", "is closed") ? open : nullptr;
}

void exportRegion(Napi::Env env, Napi::Object exports);
void exportTransport(Napi::Env env, Napi::Object exports);
void exportCipher(Napi::Env env, Napi::Object exports);
/// The links that stand on libfabric; functions that say so where the addon was built without it.
void exportFabric(Napi::Env env, Napi::Object exports);
void exportProcess(Napi::Env env, Napi::Object exports);

}  // namespace hotspare
