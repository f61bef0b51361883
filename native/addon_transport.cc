// Node-API's side of the transport: what src/native/addon.ts declares of it.
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addon.h"
#include "addon_loop.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr size_t kInputSlackBytes = 64;  // TypeScript may look this far past the last event

/// NativeTransport in src/native/addon.ts. The object lives in JavaScript; while its loop runs, the
/// loop keeps it alive.
class TransportObject final : public Napi::ObjectWrap<TransportObject>, public NodeLoop::Owner {
 public:
  static Napi::Function define(Napi::Env env);

  explicit TransportObject(const Napi::CallbackInfo& call);

  /// From now on every method does nothing.
  void ended() override {
    loop_ = nullptr;
    buffers_.clear();
    registered_.clear();
    Unref();
  }

 private:
  using Call = const Napi::CallbackInfo&;

  Napi::ArrayBuffer share(Napi::Object self, const char* name, size_t bytes);
  Transport* transport() { return loop_ == nullptr ? nullptr : loop_->transport(); }
  Napi::Value numberOr(const Failure& failure, int32_t number);

  Napi::Value listen(Call call);
  Napi::Value listenerPort(Call call);
  void closeListener(Call call);
  Napi::Value connect(Call call);
  Napi::Value pair(Call call);
  Napi::Value divert(Call call);
  void limit(Call call);
  Napi::Value send(Call call);
  void sink(Call call);
  void skip(Call call);
  void close(Call call);
  void release(Call call);
  void pause(Call call);
  Napi::Value describe(Call call);
  Napi::Value stalledMs(Call call);
  Napi::Value describeListener(Call call);
  Napi::Value registerBuffer(Call call);
  void unregisterBuffer(Call call);
  void sweep(Call call);
  void destroy(Call call);

  NodeLoop* loop_ = nullptr;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers_;
  std::map<int32_t, Napi::Reference<Napi::ArrayBuffer>> registered_;
};

Napi::Function TransportObject::define(Napi::Env env) {
  using T = TransportObject;
  return DefineClass(env, "NativeTransport",
                     {
                         InstanceMethod<&T::listen>("listen"),
                         InstanceMethod<&T::listenerPort>("listenerPort"),
                         InstanceMethod<&T::closeListener>("closeListener"),
                         InstanceMethod<&T::connect>("connect"),
                         InstanceMethod<&T::pair>("pair"),
                         InstanceMethod<&T::divert>("divert"),
                         InstanceMethod<&T::limit>("limit"),
                         InstanceMethod<&T::send>("send"),
                         InstanceMethod<&T::sink>("sink"),
                         InstanceMethod<&T::skip>("skip"),
                         InstanceMethod<&T::close>("close"),
                         InstanceMethod<&T::release>("release"),
                         InstanceMethod<&T::pause>("pause"),
                         InstanceMethod<&T::describe>("describe"),
                         InstanceMethod<&T::stalledMs>("stalledMs"),
                         InstanceMethod<&T::describeListener>("describeListener"),
                         InstanceMethod<&T::registerBuffer>("register"),
                         InstanceMethod<&T::unregisterBuffer>("unregister"),
                         InstanceMethod<&T::sweep>("sweep"),
                         InstanceMethod<&T::destroy>("destroy"),
                     });
}

TransportObject::TransportObject(Call call) : Napi::ObjectWrap<TransportObject>(call) {
  Arguments arguments(call);
  const auto size = [&](const char* name, double low, double high) {
    return static_cast<size_t>(arguments.field(0, name, low, high));
  };
  TransportOptions options;
  options.inputBytes = size("inputBytes", 1, kGiB);
  options.outputBytes = size("outputBytes", 1, kGiB);
  options.eventsMax = size("eventsMax", 2, 1 << 20);
  options.repliesMax = size("repliesMax", 1, 1 << 24);
  options.connectionsMax = size("connectionsMax", 1, 1 << 24);
  options.readBytesMax = size("readBytesMax", 1, kGiB / 2);
  options.pendingHighBytes = size("pendingHighBytes", 1, kSafeIntegerMax);
  options.sinkBytesPerTick = size("sinkBytesPerTick", 1, kSafeIntegerMax);
  arguments.require(options.inputBytes >= 2 * options.readBytesMax, "inputBytes",
                    "must be at least twice readBytesMax");
  arguments.require(call[1].IsFunction(), "onTick", "must be a function");
  if (!arguments.good()) return;

  const Napi::Env env = call.Env();
  const Napi::Object self = Value();
  SharedTables tables{};
  tables.input =
      static_cast<char*>(share(self, "input", options.inputBytes + kInputSlackBytes).Data());
  tables.output = static_cast<char*>(share(self, "output", options.outputBytes).Data());
  tables.events =
      static_cast<EventRow*>(share(self, "events", options.eventsMax * sizeof(EventRow)).Data());
  tables.replies =
      static_cast<ReplyRow*>(share(self, "replies", options.repliesMax * sizeof(ReplyRow)).Data());
  Napi::ArrayBuffer counters = share(self, "counters", kCounters * sizeof(double));
  tables.counters = static_cast<double*>(counters.Data());
  self.Set("counters", Napi::Float64Array::New(env, kCounters, counters, 0));

  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto started = std::make_unique<NodeLoop>(env, call[1].As<Napi::Function>(), this);
  const Failure failure = started->start(loop, options, tables);
  if (failure) {
    Napi::Error::New(env, std::string(failure.call) + ": " + uv_err_name(-failure.code))
        .ThrowAsJavaScriptException();
    return;
  }
  loop_ = started.release();  // it deletes itself when libuv has closed its handles
  loop_->endWithEnvironment();
  Ref();
}

Napi::ArrayBuffer TransportObject::share(Napi::Object self, const char* name, size_t bytes) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(self.Env(), bytes);
  buffers_.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
  self.Set(name, buffer);
  return buffer;
}

Napi::Value TransportObject::numberOr(const Failure& failure, int32_t number) {
  return failure ? failureOf(Env(), failure) : Napi::Number::New(Env(), number);
}

Napi::Value TransportObject::listen(Call call) {
  Arguments arguments(call);
  ListenOptions options;
  options.path = arguments.textOrNull(0, "path");
  options.host = arguments.textField(0, "host");
  options.port = static_cast<int>(arguments.field(0, "port", 0, 65535));
  options.mode = static_cast<int>(arguments.field(0, "mode", 0, 0777));
  options.backlog = static_cast<int>(arguments.field(0, "backlog", 0, 65535));
  const auto group = static_cast<Group>(arguments.field(0, "group", 0, 1));
  if (!arguments.good()) return Env().Undefined();
  int32_t listener = -1;
  if (transport() == nullptr) return failureOf(Env(), {EBADF, "listen"});
  const Failure failure = transport()->listen(options, group, &listener);
  return numberOr(failure, listener);
}

Napi::Value TransportObject::listenerPort(Call call) {
  Arguments arguments(call);
  const auto listener = static_cast<int32_t>(arguments.number(0, "listener", 0, INT32_MAX));
  const int port = transport() == nullptr ? 0 : transport()->listenerPort(listener);
  return Napi::Number::New(Env(), port);
}

void TransportObject::closeListener(Call call) {
  Arguments arguments(call);
  const auto listener = static_cast<int32_t>(arguments.number(0, "listener", 0, INT32_MAX));
  if (arguments.good() && transport() != nullptr) transport()->closeListener(listener);
}

Napi::Value TransportObject::connect(Call call) {
  Arguments arguments(call);
  const std::string host = arguments.text(call[0], "host");
  const auto port = static_cast<int>(arguments.number(1, "port", -1, 65535));
  const auto group = static_cast<Group>(arguments.number(2, "group", 0, 1));
  if (!arguments.good()) return Env().Undefined();
  int32_t id = -1;
  if (transport() == nullptr) return failureOf(Env(), {EBADF, "connect"});
  const Failure failure = transport()->connect(host, port, group, &id);
  return numberOr(failure, id);
}

Napi::Value TransportObject::pair(Call) {
  int32_t id = -1;
  int other = -1;
  if (transport() == nullptr) return failureOf(Env(), {EBADF, "socketpair"});
  const Failure failure = transport()->pair(&id, &other);
  if (failure) return failureOf(Env(), failure);
  Napi::Object object = Napi::Object::New(Env());
  object["connection"] = Napi::Number::New(Env(), id);
  object["descriptor"] = Napi::Number::New(Env(), other);
  return object;
}

Napi::Value TransportObject::divert(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  if (!arguments.good()) return Env().Undefined();
  int socket = -1;
  int other = -1;
  if (transport() == nullptr) return failureOf(Env(), {EBADF, "divert"});
  const Failure failure = transport()->divert(id, &socket, &other);
  if (failure) return failureOf(Env(), failure);
  Napi::Object object = Napi::Object::New(Env());
  object["socket"] = Napi::Number::New(Env(), socket);
  object["descriptor"] = Napi::Number::New(Env(), other);
  return object;
}

void TransportObject::limit(Call call) {
  Arguments arguments(call);
  const double connections = arguments.number(0, "connections", 0, kSafeIntegerMax);
  const std::string refusal = arguments.text(call[1], "refusal");
  if (!arguments.good() || transport() == nullptr) return;
  transport()->limit(static_cast<size_t>(connections), refusal);
}

Napi::Value TransportObject::send(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  size_t length = 0;
  const auto* bytes = reinterpret_cast<const char*>(arguments.bytes(1, &length));
  if (!arguments.good()) return Env().Undefined();
  const int64_t unsent = transport() == nullptr ? -1 : transport()->send(id, bytes, length);
  return Napi::Number::New(Env(), static_cast<double>(unsent));
}

void TransportObject::sink(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  const auto buffer = static_cast<int32_t>(arguments.number(1, "buffer", 0, INT32_MAX));
  const double offset = arguments.number(2, "offset", 0, kSafeIntegerMax / 2);
  const double length = arguments.number(3, "length", 0, kSafeIntegerMax / 2);
  if (!arguments.good() || transport() == nullptr) return;
  const Memory* memory = transport()->memory(buffer);
  arguments.require(memory != nullptr, "buffer", "is not registered");
  if (!arguments.good()) return;
  arguments.require(offset + length <= static_cast<double>(memory->length), "offset and length",
                    "must lie within the buffer");
  if (!arguments.good()) return;
  char* target = memory->bytes + static_cast<size_t>(offset);
  transport()->sink(id, target, static_cast<uint64_t>(length));
}

void TransportObject::skip(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  const double length = arguments.number(1, "length", 0, kSafeIntegerMax);
  if (!arguments.good() || transport() == nullptr) return;
  transport()->sink(id, nullptr, static_cast<uint64_t>(length));
}

void TransportObject::close(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  arguments.require(call[1].IsBoolean(), "flush", "must be a boolean");
  if (!arguments.good() || transport() == nullptr) return;
  transport()->close(id, call[1].As<Napi::Boolean>().Value());
}

void TransportObject::release(Call call) {
  if (!call[0].IsNumber() || transport() == nullptr) return;
  transport()->release(call[0].As<Napi::Number>().DoubleValue());  // Infinity is a sequence too
}

void TransportObject::pause(Call call) {
  if (call[0].IsBoolean() && transport() != nullptr) {
    transport()->pause(call[0].As<Napi::Boolean>().Value());
  }
}

Napi::Value TransportObject::describe(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  if (!arguments.good()) return Env().Undefined();
  const Connection* c = transport() == nullptr ? nullptr : transport()->describable(id);
  if (c == nullptr) return Env().Null();
  Napi::Object object = Napi::Object::New(Env());
  object["address"] = describePeer(c->descriptor);
  object["listenAddress"] = describeSelf(c->descriptor);
  object["descriptor"] = Napi::Number::New(Env(), c->descriptor);
  object["pendingBytes"] = Napi::Number::New(Env(), static_cast<double>(c->pending()));
  return object;
}

Napi::Value TransportObject::stalledMs(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "connection", 0, INT32_MAX));
  if (!arguments.good()) return Env().Undefined();
  return Napi::Number::New(Env(), transport() == nullptr ? -1 : transport()->stalledMs(id));
}

Napi::Value TransportObject::describeListener(Call call) {
  Arguments arguments(call);
  const auto listener = static_cast<int32_t>(arguments.number(0, "listener", 0, INT32_MAX));
  if (!arguments.good()) return Env().Undefined();
  const int descriptor = transport() == nullptr ? -1 : transport()->listenerDescriptor(listener);
  if (descriptor < 0) return Env().Null();
  Napi::Object object = Napi::Object::New(Env());
  object["address"] = describeSelf(descriptor);
  object["descriptor"] = Napi::Number::New(Env(), descriptor);
  return object;
}

Napi::Value TransportObject::registerBuffer(Call call) {
  Arguments arguments(call);
  arguments.require(call[0].IsArrayBuffer(), "buffer", "must be an ArrayBuffer");
  if (!arguments.good()) return Env().Undefined();
  if (transport() == nullptr) return Napi::Number::New(Env(), -1);
  auto buffer = call[0].As<Napi::ArrayBuffer>();
  auto* bytes = static_cast<char*>(buffer.Data());
  const int32_t id = transport()->addMemory({bytes, buffer.ByteLength()});
  registered_[id] = Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1);
  return Napi::Number::New(Env(), id);
}

void TransportObject::unregisterBuffer(Call call) {
  Arguments arguments(call);
  const auto id = static_cast<int32_t>(arguments.number(0, "buffer", 0, INT32_MAX));
  if (!arguments.good()) return;
  if (transport() != nullptr) transport()->removeMemory(id);
  registered_.erase(id);
}

void TransportObject::sweep(Call call) {
  Arguments arguments(call);
  const double ms = arguments.number(0, "drainingMs", 0, kSafeIntegerMax);
  if (arguments.good() && transport() != nullptr) transport()->sweep(ms);
}

void TransportObject::destroy(Call) {
  if (transport() != nullptr) transport()->destroy();
}

Napi::Value datagramsOpen(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const std::string host = arguments.text(call[0], "host");
  auto port = static_cast<int>(arguments.number(1, "port", 0, 65535));
  if (!arguments.good()) return call.Env().Undefined();
  int descriptor = -1;
  const Failure failure = openDatagrams(host, &port, &descriptor);
  if (failure) return failureOf(call.Env(), failure);
  Napi::Object object = Napi::Object::New(call.Env());
  object["descriptor"] = Napi::Number::New(call.Env(), descriptor);
  object["port"] = Napi::Number::New(call.Env(), port);
  return object;
}

Napi::Value transportCreate(const Napi::CallbackInfo& call) {
  Napi::FunctionReference& type = call.Env().GetInstanceData<Instance>()->transport;
  return type.New({call[0], call[1]});
}

}  // namespace

void exportTransport(Napi::Env env, Napi::Object exports) {
  env.GetInstanceData<Instance>()->transport = Napi::Persistent(TransportObject::define(env));
  exports["datagramsOpen"] = Napi::Function::New<datagramsOpen>(env, "datagramsOpen");
  exports["transportCreate"] = Napi::Function::New<transportCreate>(env, "transportCreate");
}

}  // namespace hotspare
