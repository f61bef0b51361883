// Node-API's side of the fabric: what src/native/fabric.ts declares.
#include <map>

#include "addon.h"
#include "fabric_endpoint.h"
#include "fabric_loop.h"
#include "mailbox.h"
#include "mirror_target.h"
#include "mirror_writer.h"

namespace hotspare {
namespace {

constexpr double kPatienceMsMost = 3.6e6;
constexpr double kSpinUsMost = 1e6;

Napi::Value failureOf(Napi::Env env, const FabricFailure& failure) {
  if (!failure) return env.Null();
  Napi::Object object = Napi::Object::New(env);
  object["error"] = failure.reason;
  object["call"] = failure.call;
  return object;
}

FabricQuery queryOf(Arguments* arguments) {
  FabricQuery query;
  query.provider = arguments->textField(0, "provider");
  query.host = arguments->textField(0, "host");
  query.service = std::to_string(static_cast<int>(arguments->field(0, "port", 0, 65535)));
  query.passive = arguments->flag(0, "passive");
  return query;
}

Napi::Object describe(Napi::Env env, const fi_info& info) {
  Napi::Object object = Napi::Object::New(env);
  const bool pins = (info.domain_attr->mr_mode & FI_MR_ALLOCATED) != 0;
  object["device"] = info.domain_attr->name == nullptr ? "" : info.domain_attr->name;
  object["inlineBytes"] = static_cast<double>(info.tx_attr->inject_size);
  object["queueLength"] = static_cast<double>(info.tx_attr->size);
  object["pins"] = Napi::Boolean::New(env, pins);
  return object;
}

Napi::Value version(const Napi::CallbackInfo& call) {
  FabricFailure failure;
  const FabricLibrary* library = FabricLibrary::load(&failure);
  if (library == nullptr) return failureOf(call.Env(), failure);
  const uint32_t number = library->version();
  const std::string text =
      std::to_string(FI_MAJOR(number)) + "." + std::to_string(FI_MINOR(number));
  return Napi::String::New(call.Env(), text);
}

Napi::Value find(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const FabricQuery query = queryOf(&arguments);
  if (!arguments.good()) return call.Env().Undefined();
  FabricFailure failure;
  const FabricInfo info = findFabric(query, &failure);
  return info == nullptr ? failureOf(call.Env(), failure) : describe(call.Env(), *info);
}

/// An endpoint, and both roles that its owner may play at it: a primary uses the writer, a standby
/// the target.
struct MirrorEnd {
  static std::unique_ptr<MirrorEnd> open(const FabricQuery& query, double patienceMs,
                                         const MirrorWriterOptions& options, double* cells,
                                         FabricFailure* failure);
  /// The endpoint is closed before the memory that is registered there is given up: until then a
  /// card may read and write that memory.
  ~MirrorEnd() { endpoint->close(); }

  std::unique_ptr<FabricEndpoint> endpoint;
  std::unique_ptr<MirrorWriter> writer;
  MirrorTarget target{endpoint.get()};
};

std::unique_ptr<MirrorEnd> MirrorEnd::open(const FabricQuery& query, double patienceMs,
                                           const MirrorWriterOptions& options, double* cells,
                                           FabricFailure* failure) {
  std::unique_ptr<FabricEndpoint> endpoint = FabricEndpoint::open(query, patienceMs, failure);
  if (endpoint == nullptr) return nullptr;
  std::unique_ptr<MirrorWriter> writer =
      MirrorWriter::open(endpoint.get(), options, cells, failure);
  if (writer == nullptr) return nullptr;
  return std::unique_ptr<MirrorEnd>(new MirrorEnd{std::move(endpoint), std::move(writer)});
}

/// NativeFabric in src/native/fabric.ts. JavaScript owns it; until it is closed it keeps itself
/// alive.
class FabricObject final : public Napi::ObjectWrap<FabricObject>, public FabricLoop::Owner {
 public:
  using Call = const Napi::CallbackInfo&;

  static Napi::Function define(Napi::Env env);
  explicit FabricObject(Call call);

  void event(const FabricEvent& event) override;
  void turned() override;
  bool isBehind() const override { return cells_[kCompletions] != told_; }
  bool owesWrites() const override { return end_->writer->owesRanges(); }
  void postOwed() override { end_->writer->placeOwed(); }

 private:
  static constexpr int kCompleted = 3;  // a kind beside FabricEvent's

  void notify(const std::vector<napi_value>& values);
  Napi::Value result(const FabricFailure& failure) { return failureOf(Env(), failure); }
  RegionSpan spanOf(Call call, Arguments* arguments);
  static void ended(void* object) { static_cast<FabricObject*>(object)->end(); }
  void end();
  void stop();

  Napi::Value listen(Call call);
  Napi::Value accept(Call call);
  void reject(Call call);
  Napi::Value connect(Call call);
  void disconnect(Call call);
  Napi::Value expose(Call call);
  void revoke(Call call);
  void aim(Call call);
  Napi::Value post(Call call);
  Napi::Value block(Call call);
  Napi::Value beat(Call call);
  Napi::Value tell(Call call);
  void close(Call) { end(); }

  double cells_[kCells] = {};
  std::unique_ptr<MirrorEnd> end_;  // null once this is closed
  FabricLoop* loop_ = nullptr;      // drives the endpoint for as long as there is one
  double told_ = 0;                 // completions that JavaScript knows of
  Napi::FunctionReference onEvent_;
  std::unique_ptr<Napi::AsyncContext> context_;
  Napi::Reference<Napi::ArrayBuffer> mailbox_;
};

Napi::Function FabricObject::define(Napi::Env env) {
  using F = FabricObject;
  return DefineClass(env, "NativeFabric",
                     {
                         InstanceMethod<&F::listen>("listen"),
                         InstanceMethod<&F::accept>("accept"),
                         InstanceMethod<&F::reject>("reject"),
                         InstanceMethod<&F::connect>("connect"),
                         InstanceMethod<&F::disconnect>("disconnect"),
                         InstanceMethod<&F::expose>("expose"),
                         InstanceMethod<&F::revoke>("revoke"),
                         InstanceMethod<&F::aim>("aim"),
                         InstanceMethod<&F::post>("post"),
                         InstanceMethod<&F::block>("block"),
                         InstanceMethod<&F::beat>("beat"),
                         InstanceMethod<&F::tell>("tell"),
                         InstanceMethod<&F::close>("close"),
                     });
}

FabricObject::FabricObject(Call call) : Napi::ObjectWrap<FabricObject>(call) {
  Arguments arguments(call);
  const FabricQuery query = queryOf(&arguments);
  MirrorWriterOptions options;
  options.stagingBytes = static_cast<size_t>(arguments.field(0, "stagingBytes", 0, kGiB));
  const double patienceMs = arguments.field(0, "patienceMs", 0, kPatienceMsMost);
  options.spinUs = arguments.field(0, "spinUs", 0, kSpinUsMost);
  arguments.require(call[1].IsFunction(), "onEvent", "must be a function");
  Napi::Object self = call.This().As<Napi::Object>();
  self["failure"] = Env().Null();
  if (!arguments.good()) return;
  FabricFailure failure;
  end_ = MirrorEnd::open(query, patienceMs, options, cells_, &failure);
  self["failure"] = failureOf(Env(), failure);
  if (end_ == nullptr) return;
  self["found"] = describe(Env(), end_->endpoint->info());
  const auto cells = Napi::ArrayBuffer::New(Env(), cells_, sizeof cells_);
  self["cells"] = Napi::Float64Array::New(Env(), kCells, cells, 0);
  onEvent_ = Napi::Persistent(call[1].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(Env(), "hotspare fabric");
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(Env(), &loop);
  loop_ = new FabricLoop(loop, end_->endpoint.get(), this);
  if (const int code = loop_->begin(); code != 0) {
    self["failure"] = failureOf(Env(), {uv_strerror(code), "uv_poll_init"});
    stop();
    return;
  }
  Ref();
  napi_add_env_cleanup_hook(Env(), ended, this);
}

/// The cells' ArrayBuffer lies in this object: it must not outlive it, so the object stays.
void FabricObject::end() {
  if (end_ == nullptr) return;
  const Napi::HandleScope scope(Env());
  stop();
  napi_remove_env_cleanup_hook(Env(), ended, this);
  if (!mailbox_.IsEmpty()) mailbox_.Value().Detach();
  mailbox_.Reset();
  const Napi::Value cells = Value().Get("cells");
  cells.As<Napi::Float64Array>().ArrayBuffer().Detach();
  onEvent_.Reset();
  Unref();
}

void FabricObject::stop() {
  loop_->stop();
  loop_ = nullptr;
  end_.reset();
}

void FabricObject::event(const FabricEvent& event) {
  const Napi::HandleScope scope(Env());
  notify({Napi::Number::New(Env(), event.kind), Napi::Number::New(Env(), event.request),
          Napi::Buffer<char>::Copy(Env(), event.bytes.data(), event.bytes.size()),
          Napi::Boolean::New(Env(), event.revoked)});
}

void FabricObject::turned() {
  if (!isBehind()) return;
  told_ = cells_[kCompletions];
  const Napi::HandleScope scope(Env());
  notify({Napi::Number::New(Env(), kCompleted)});
}

void FabricObject::notify(const std::vector<napi_value>& values) {
  if (onEvent_.IsEmpty()) return;
  const Napi::Env env = Env();  // the callback may close this object, and it may be gone then
  onEvent_.MakeCallback(env.Global(), values, *context_);
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

RegionSpan FabricObject::spanOf(Call call, Arguments* arguments) {
  OpenRegion* open = regionOf(call, arguments);
  const auto head = arguments->number(1, "headBytes", 1, kGiB);
  const auto body = arguments->number(2, "bodyOffset", head + 1, kGiB);
  if (!arguments->good()) return {};
  const Region& region = *open->region;
  arguments->require(body < static_cast<double>(region.length()), "bodyOffset",
                     "must lie within the region");
  return {region.bytes(), region.length(), static_cast<size_t>(head), static_cast<size_t>(body)};
}

Napi::Value FabricObject::listen(Call call) {
  if (end_ == nullptr) return call.Env().Undefined();
  int port = 0;
  const FabricFailure failure = end_->endpoint->listen(&port);
  loop_->settle();
  return failure ? result(failure) : Napi::Number::New(Env(), port);
}

Napi::Value FabricObject::accept(Call call) {
  Arguments arguments(call);
  const auto request = static_cast<int>(arguments.number(0, "request", 0, INT32_MAX));
  if (!arguments.good() || end_ == nullptr) return Env().Null();
  FabricFailure failure;
  loop_->closing([&] { failure = end_->endpoint->accept(request); });
  loop_->settle();
  return result(failure);
}

void FabricObject::reject(Call call) {
  Arguments arguments(call);
  const auto request = static_cast<int>(arguments.number(0, "request", 0, INT32_MAX));
  if (!arguments.good() || end_ == nullptr) return;
  end_->endpoint->reject(request);
  loop_->settle();
}

Napi::Value FabricObject::connect(Call call) {
  Arguments arguments(call);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(0, &length);
  if (!arguments.good() || end_ == nullptr) return Env().Null();
  FabricFailure failure;
  loop_->closing([&] { failure = end_->endpoint->connect(bytes, length); });
  loop_->settle();
  return result(failure);
}

void FabricObject::disconnect(Call) {
  if (end_ == nullptr) return;
  loop_->closing([&] { end_->endpoint->disconnect(); });
  loop_->settle();
}

Napi::Value FabricObject::expose(Call call) {
  Arguments arguments(call);
  const RegionSpan span = spanOf(call, &arguments);
  if (!arguments.good() || end_ == nullptr) return Env().Undefined();
  RemoteMemory parts[kParts];
  const FabricFailure failure = end_->target.expose(span, parts);
  if (failure) return result(failure);
  Napi::Object object = Napi::Object::New(Env());
  Napi::Array places = Napi::Array::New(Env());
  for (const RemoteMemory& part : parts) {
    Napi::Object place = Napi::Object::New(Env());
    // 64 bits do not fit in a number.
    place["address"] = std::to_string(part.address);
    place["key"] = std::to_string(part.key);
    places[places.Length()] = place;
  }
  object["parts"] = places;
  if (mailbox_.IsEmpty()) {
    const auto mailbox = Napi::ArrayBuffer::New(Env(), end_->target.mailbox(), kMailboxBytes);
    mailbox_ = Napi::Reference<Napi::ArrayBuffer>::New(mailbox, 1);
  }
  object["mailbox"] = mailbox_.Value();
  return object;
}

void FabricObject::revoke(Call) {
  if (end_ == nullptr) return;
  loop_->closing([&] { end_->endpoint->revoke(); });
  loop_->settle();
}

void FabricObject::aim(Call call) {
  Arguments arguments(call);
  const RegionSpan span = spanOf(call, &arguments);
  arguments.require(call[3].IsArray(), "parts", "must be an array");
  if (!arguments.good() || end_ == nullptr) return;
  const auto places = call[3].As<Napi::Array>();
  arguments.require(places.Length() == kParts, "parts", "must be three");
  RemoteMemory parts[kParts];
  for (uint32_t i = 0; i < kParts && arguments.good(); i++) {
    const Napi::Value place = places.Get(i);
    if (!arguments.require(place.IsObject(), "part", "must be an object")) return;
    const std::string address = arguments.text(place.As<Napi::Object>().Get("address"), "address");
    const std::string key = arguments.text(place.As<Napi::Object>().Get("key"), "key");
    parts[i] = {std::strtoull(address.c_str(), nullptr, 10),
                std::strtoull(key.c_str(), nullptr, 10)};
  }
  if (arguments.good()) end_->writer->aim(span, parts);
}

Napi::Value FabricObject::post(Call call) {
  Arguments arguments(call);
  size_t length = 0;
  const uint8_t* bytes = arguments.bytes(0, &length);
  const double sequence = arguments.number(3, "sequence", 1, kSafeIntegerMax);
  if (!arguments.good() || end_ == nullptr) return Env().Undefined();
  const int64_t records = end_->writer->postBatch(bytes, length, static_cast<uint64_t>(sequence));
  told_ = cells_[kCompletions];  // the caller of `post` looks at the cells by itself
  loop_->settleWrites();
  return Napi::Number::New(Env(), static_cast<double>(records));
}

Napi::Value FabricObject::block(Call call) {
  Arguments arguments(call);
  const double offset = arguments.number(0, "offset", 0, kSafeIntegerMax);
  const double length = arguments.number(1, "length", 1, kGiB);
  if (!arguments.good() || end_ == nullptr) return Env().Undefined();
  const bool posted =
      end_->writer->postBlock(static_cast<uint64_t>(offset), static_cast<size_t>(length));
  loop_->settle();
  return Napi::Boolean::New(Env(), posted);
}

Napi::Value FabricObject::beat(Call call) {
  Arguments arguments(call);
  const auto beat = static_cast<uint32_t>(arguments.number(0, "beat", 0, UINT32_MAX));
  const auto echo = static_cast<uint32_t>(arguments.number(1, "echo", 0, UINT32_MAX));
  if (!arguments.good() || end_ == nullptr) return Env().Undefined();
  const bool mailed = end_->writer->postHeartbeat(beat, echo);
  loop_->settle();
  return Napi::Boolean::New(Env(), mailed);
}

Napi::Value FabricObject::tell(Call) {
  if (end_ == nullptr) return Env().Undefined();
  const bool mailed = end_->writer->postSequence();
  loop_->settle();
  return Napi::Boolean::New(Env(), mailed);
}

Napi::Value openFabric(const Napi::CallbackInfo& call) {
  Napi::FunctionReference& type = call.Env().GetInstanceData<Instance>()->fabric;
  const Napi::Object object = type.New({call[0], call[1]});
  if (call.Env().IsExceptionPending()) return call.Env().Undefined();
  const Napi::Value failure = object.Get("failure");
  return failure.IsNull() ? object : failure;
}

}  // namespace

void exportFabric(Napi::Env env, Napi::Object exports) {
  env.GetInstanceData<Instance>()->fabric = Napi::Persistent(FabricObject::define(env));
  exports["fabricVersion"] = Napi::Function::New<version>(env, "fabricVersion");
  exports["fabricFind"] = Napi::Function::New<find>(env, "fabricFind");
  exports["fabricOpen"] = Napi::Function::New<openFabric>(env, "fabricOpen");
}

}  // namespace hotspare
