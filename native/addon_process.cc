// Node-API's side of what a process does beside serving: its clock, its log, its keeper.
#include "addon.h"
#include "keeper.h"
#include "log_writer.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr double kFlushMillisecondsMax = 60'000;

/// Called several times a tick: without the wrapper's checks it costs half as much.
napi_value monotonic(napi_env env, napi_callback_info) {
  napi_value value = nullptr;
  napi_create_double(env, monotonicMs(), &value);
  return value;
}

Napi::Value say(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  std::string head = arguments.text(call[0], "head");
  std::string text = arguments.text(call[1], "text");
  if (arguments.good()) sayLine(std::move(head), std::move(text));
  return call.Env().Undefined();
}

Napi::Value lost(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), static_cast<double>(linesLost()));
}

Napi::Value flush(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const double patience = arguments.number(0, "milliseconds", 0, kFlushMillisecondsMax);
  return Napi::Boolean::New(call.Env(), flushLines(static_cast<int>(patience)));
}

Napi::Value keeper(const Napi::CallbackInfo& call) {
  startKeeper();
  return call.Env().Undefined();
}

}  // namespace

void exportProcess(Napi::Env env, Napi::Object exports) {
  napi_value clock = nullptr;
  napi_create_function(env, "monotonicMs", NAPI_AUTO_LENGTH, monotonic, nullptr, &clock);
  exports["monotonicMs"] = Napi::Value(env, clock);
  exports["logSay"] = Napi::Function::New<say>(env, "logSay");
  exports["logLost"] = Napi::Function::New<lost>(env, "logLost");
  exports["logFlush"] = Napi::Function::New<flush>(env, "logFlush");
  exports["keeperStart"] = Napi::Function::New<keeper>(env, "keeperStart");
}

}  // namespace hotspare
