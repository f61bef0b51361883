// Node-API's side of the cipher: what src/native/addon.ts declares of it.
#include <memory>
#include <utility>

#include "addon.h"
#include "cipher.h"

namespace hotspare {
namespace {

constexpr double kHeadBytesMost = 4096;

/// NativeCipher in src/native/addon.ts.
class CipherObject final : public Napi::ObjectWrap<CipherObject> {
 public:
  using Call = const Napi::CallbackInfo&;

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeCipher",
                       {
                           InstanceMethod<&CipherObject::seal>("seal"),
                           InstanceMethod<&CipherObject::open>("open"),
                       });
  }

  explicit CipherObject(Call call) : Napi::ObjectWrap<CipherObject>(call) {}

  void use(std::unique_ptr<Cipher> cipher) { cipher_ = std::move(cipher); }

 private:
  /// The bytes of a frame of at least `least` bytes beside its head; null with an exception.
  uint8_t* frameOf(Arguments* arguments, size_t least, size_t* length) {
    const uint8_t* bytes = arguments->bytes(0, length);
    if (!arguments->require(cipher_ != nullptr, "cipher", "must come of cipherCreate")) {
      return nullptr;
    }
    arguments->require(*length >= cipher_->headBytes() + least && *length <= INT32_MAX, "length",
                       "is that of no frame");
    return arguments->good() ? const_cast<uint8_t*>(bytes) : nullptr;
  }

  Napi::Value seal(Call call) {
    Arguments arguments(call);
    size_t length = 0;
    const uint8_t* frame = frameOf(&arguments, 0, &length);
    void* to = nullptr;
    size_t room = 0;
    napi_typedarray_type type{};
    const bool fits =
        napi_get_typedarray_info(Env(), call[3], &type, &room, &to, nullptr, nullptr) == napi_ok &&
        type == napi_uint8_array && room >= length + kCipherTagBytes;
    arguments.require(fits, "to", "must have room for the frame and its tag");
    if (!arguments.good()) return Env().Undefined();
    return Napi::Boolean::New(Env(), cipher_->seal(frame, length, static_cast<uint8_t*>(to)));
  }

  Napi::Value open(Call call) {
    Arguments arguments(call);
    size_t length = 0;
    uint8_t* frame = frameOf(&arguments, kCipherTagBytes, &length);
    if (!arguments.good()) return Env().Undefined();
    return Napi::Boolean::New(Env(), cipher_->open(frame, length));
  }

  std::unique_ptr<Cipher> cipher_;
};

Napi::Value cipherCreate(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Arguments arguments(call);
  size_t length = 0;
  const uint8_t* key = arguments.bytes(0, &length);
  arguments.require(length == kCipherKeyBytes, "key", "must have 32 bytes");
  const double head = arguments.number(3, "headBytes", 1, kHeadBytesMost);
  if (!arguments.require(call[4].IsBoolean(), "seals", "must be a boolean")) return env.Undefined();
  const bool seals = call[4].As<Napi::Boolean>().Value();
  Failure failure;
  std::unique_ptr<Cipher> cipher = Cipher::create(key, static_cast<size_t>(head), seals, &failure);
  if (failure) return failureOf(env, failure);
  const Napi::Object object = env.GetInstanceData<Instance>()->cipher.New({});
  CipherObject::Unwrap(object)->use(std::move(cipher));
  return object;
}

}  // namespace

void exportCipher(Napi::Env env, Napi::Object exports) {
  env.GetInstanceData<Instance>()->cipher = Napi::Persistent(CipherObject::define(env));
  exports["cipherCreate"] = Napi::Function::New<cipherCreate>(env, "cipherCreate");
}

}  // namespace hotspare
