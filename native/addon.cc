// Node-API's side: checks and converts arguments, and drives a transport from Node's loop.
// Everything that src/native.ts declares ends here; the only file that includes napi.h.
#include <napi.h>

#include <cerrno>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checksum.h"
#include "failure.h"
#include "libuv.h"
#include "loop.h"
#include "region.h"
#include "transport.h"

namespace hotspare {
namespace {

constexpr double kSafeIntegerMax = 9007199254740991;
constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kPageBytes = 4096;
constexpr size_t kInputSlackBytes = 64;  // TypeScript may look this far past the last event

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
    if (!require(call_[index].IsTypedArray(), "bytes", "must be a Uint8Array")) return nullptr;
    const auto array = call_[index].As<Napi::Uint8Array>();
    if (!require(offset + count <= static_cast<double>(array.ByteLength()), "offset and length",
                 "must lie within bytes")) {
      return nullptr;
    }
    *length = static_cast<size_t>(count);
    return array.Data() + static_cast<size_t>(offset);
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
    if (!require(value.IsNumber(), name, "must be a number")) return 0;
    const double number = value.As<Napi::Number>().DoubleValue();
    const bool fits = number >= low && number <= high && number == std::floor(number);
    return require(fits, name, "is out of range or not an integer") ? number : 0;
  }

  const Napi::CallbackInfo& call_;
  Napi::Env env_;
  bool good_ = true;
};

Napi::Value failureOf(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  // EAGAIN and EWOULDBLOCK are one number; of a lock the second is the word.
  object["error"] = failure.code == EWOULDBLOCK ? "EWOULDBLOCK" : uv_err_name(-failure.code);
  object["call"] = failure.call;
  return object;
}

// ----------------------------------------------------------------------------------------------
// regions

/// A region, and the ArrayBuffers over it: kept alive, so that they can be detached before it is
/// unmapped.
struct OpenRegion {
  std::unique_ptr<Region> region;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers;
};

/// What belongs to one JavaScript environment.
struct Instance {
  std::vector<OpenRegion> regions;
  Napi::FunctionReference transport;  // the class
};

Napi::ArrayBuffer expose(Napi::Env env, OpenRegion* open, uint8_t* bytes, size_t length) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes, length);
  open->buffers.push_back(Napi::Reference<Napi::ArrayBuffer>::New(buffer, 1));
  return buffer;
}

Napi::Value regionOpen(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Arguments arguments(call);
  RegionOptions options;
  const double head = arguments.field(0, "headBytes", kPageBytes, 4 * kGiB - kPageBytes);
  const double pages = arguments.field(0, "pagesBytes", 0, kSafeIntegerMax / 2);
  const double segment = arguments.field(0, "segmentBytes", kPageBytes, kGiB);
  options.file = arguments.textOrNull(0, "file");
  options.discard = arguments.flag(0, "discard");
  options.lockMemory = arguments.flag(0, "lockMemory");
  options.hugePages = arguments.flag(0, "hugePages");
  arguments.require(std::fmod(head, kPageBytes) == 0, "headBytes", "must be a multiple of 4096");
  arguments.require(std::fmod(pages, kPageBytes) == 0, "pagesBytes", "must be a multiple of 4096");
  const auto step = static_cast<size_t>(segment);
  arguments.require((step & (step - 1)) == 0, "segmentBytes", "must be a power of two");
  if (!arguments.good()) return env.Undefined();
  options.headBytes = static_cast<size_t>(head);
  options.pagesBytes = static_cast<size_t>(pages);

  Failure failure;
  OpenRegion open{Region::open(options, &failure), {}};
  if (failure) return failureOf(env, failure);
  uint8_t* bytes = open.region->bytes();
  Napi::Object object = Napi::Object::New(env);
  object["head"] = expose(env, &open, bytes, options.headBytes);
  Napi::Array segments = Napi::Array::New(env);
  for (size_t at = 0; at < options.pagesBytes; at += step) {
    const size_t length = std::min(step, options.pagesBytes - at);
    segments[segments.Length()] = expose(env, &open, bytes + options.headBytes + at, length);
  }
  object["segments"] = segments;
  object["created"] = Napi::Boolean::New(env, open.region->created());
  auto* instance = env.GetInstanceData<Instance>();
  object["id"] = Napi::Number::New(env, static_cast<double>(instance->regions.size()));
  instance->regions.push_back(std::move(open));
  return object;
}

/// The region that argument 0 names, or null with an exception.
OpenRegion* regionOf(const Napi::CallbackInfo& call, Arguments* arguments) {
  std::vector<OpenRegion>& regions = call.Env().GetInstanceData<Instance>()->regions;
  const double id = arguments->number(0, "id", 0, static_cast<double>(regions.size()) - 1);
  if (!arguments->good()) return nullptr;
  OpenRegion* open = &regions[static_cast<size_t>(id)];
  return arguments->require(open->region != nullptr, "region", "is closed") ? open : nullptr;
}

Napi::Value regionClose(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  OpenRegion* open = regionOf(call, &arguments);
  if (open == nullptr) return call.Env().Undefined();
  for (auto& buffer : open->buffers) buffer.Value().Detach();
  open->buffers.clear();
  open->region.reset();
  return call.Env().Undefined();
}

Napi::Value regionSync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  if (open == nullptr) return call.Env().Undefined();
  const Failure failure = open->region->sync();
  return failure ? failureOf(call.Env(), failure) : call.Env().Null();
}

Napi::Value regionApply(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const OpenRegion* open = regionOf(call, &arguments);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(1, &length);
  if (!arguments.good()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), static_cast<double>(open->region->apply(bytes, length)));
}

Napi::Value checksum(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(0, &length);
  const auto seed = static_cast<uint32_t>(arguments.number(3, "seed", 0, 4294967295.0));
  if (!arguments.good()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), crc32c(bytes, length, seed));
}

// --------------------------------------------------------------------------------------------
// transport

class TransportObject;

/// A loop whose ticks run in JavaScript.
class NodeLoop final : public Loop {
 public:
  NodeLoop(Napi::Env env, const Napi::Function& onTick, TransportObject* object)
      : env_(env), context_(env, "hotspare"), onTick_(Napi::Persistent(onTick)), object_(object) {}
  ~NodeLoop() override {
    if (hook_ != nullptr) napi_remove_async_cleanup_hook(hook_);
  }

  /// Ends the transport with the environment: a worker's loop must be empty then.
  void endWithEnvironment() { napi_add_async_cleanup_hook(env_, cleanup, this, &hook_); }

  bool tick(int rows, double* barrier) override;
  void stopped() override;

 private:
  static void cleanup(napi_async_cleanup_hook_handle, void* loop) {
    static_cast<NodeLoop*>(loop)->transport()->destroy();
  }

  Napi::Env env_;
  Napi::AsyncContext context_;
  Napi::FunctionReference onTick_;
  TransportObject* object_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

/// NativeTransport in src/native.ts. It lives in JavaScript; while its loop runs, the loop keeps it
/// alive.
class TransportObject final : public Napi::ObjectWrap<TransportObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit TransportObject(const Napi::CallbackInfo& call);

  /// The loop has ended: from now on every method does nothing.
  void detach() {
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
  Napi::Value describeListener(Call call);
  Napi::Value registerBuffer(Call call);
  void unregisterBuffer(Call call);
  void sweep(Call call);
  void destroy(Call call);

  NodeLoop* loop_ = nullptr;
  std::vector<Napi::Reference<Napi::ArrayBuffer>> buffers_;
  std::map<int32_t, Napi::Reference<Napi::ArrayBuffer>> registered_;
};

bool NodeLoop::tick(int rows, double* barrier) {
  const Napi::HandleScope scope(env_);
  const napi_value argument = Napi::Number::New(env_, rows);
  const Napi::Value result = onTick_.MakeCallback(env_.Global(), {argument}, context_);
  if (env_.IsExceptionPending()) {
    napi_fatal_exception(env_, env_.GetAndClearPendingException().Value());
    return false;
  }
  if (result.IsEmpty()) return false;  // the environment is being torn down
  *barrier = result.IsNumber() ? result.As<Napi::Number>().DoubleValue() : 0;
  return true;
}

void NodeLoop::stopped() {
  const Napi::HandleScope scope(env_);
  object_->detach();
  Loop::stopped();
}

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

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance();
  env.SetInstanceData(instance);
  instance->transport = Napi::Persistent(TransportObject::define(env));
  exports["regionOpen"] = Napi::Function::New<regionOpen>(env, "regionOpen");
  exports["regionClose"] = Napi::Function::New<regionClose>(env, "regionClose");
  exports["regionSync"] = Napi::Function::New<regionSync>(env, "regionSync");
  exports["regionApply"] = Napi::Function::New<regionApply>(env, "regionApply");
  exports["crc32c"] = Napi::Function::New<checksum>(env, "crc32c");
  exports["datagramsOpen"] = Napi::Function::New<datagramsOpen>(env, "datagramsOpen");
  exports["transportCreate"] = Napi::Function::New<transportCreate>(env, "transportCreate");
  return exports;
}

}  // namespace
}  // namespace hotspare

static Napi::Object initializeModule(Napi::Env env, Napi::Object exports) {
  return hotspare::initialize(env, exports);
}

NODE_API_MODULE(hotspare, initializeModule)
