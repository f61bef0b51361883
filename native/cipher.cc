// See cipher.h.
#include "cipher.h"

#include <dlfcn.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace hotspare {
namespace {

constexpr size_t kNonceBytes = 12;
// Of OpenSSL's evp.h, which need not be installed; both are part of its stable interface.
constexpr int kGetTag = 0x10;
constexpr int kSetTag = 0x11;

struct OpenSsl {
  void* (*newContext)();
  void (*freeContext)(void* context);
  const void* (*aes)();
  int (*init)(void* context, const void* cipher, void* engine, const uint8_t* key,
              const uint8_t* nonce, int seals);
  int (*update)(void* context, uint8_t* to, int* written, const uint8_t* from, int length);
  int (*finish)(void* context, uint8_t* to, int* written);
  int (*control)(void* context, int what, int length, void* bytes);

  /// Null where a function is missing.
  static const OpenSsl* load();
};

template <typename Function>
bool find(const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

const OpenSsl* OpenSsl::load() {
  static OpenSsl o{};
  static const bool whole =
      find("EVP_CIPHER_CTX_new", &o.newContext) && find("EVP_CIPHER_CTX_free", &o.freeContext) &&
      find("EVP_aes_256_gcm", &o.aes) && find("EVP_CipherInit_ex", &o.init) &&
      find("EVP_CipherUpdate", &o.update) && find("EVP_CipherFinal_ex", &o.finish) &&
      find("EVP_CIPHER_CTX_ctrl", &o.control);
  return whole ? &o : nullptr;
}

}  // namespace

std::unique_ptr<Cipher> Cipher::create(const uint8_t* key, size_t headBytes, bool seals,
                                       Failure* failure) {
  const OpenSsl* o = OpenSsl::load();
  if (o == nullptr) {
    *failure = {ENOSYS, "dlsym"};
    return nullptr;
  }
  void* context = o->newContext();
  if (context == nullptr) {
    *failure = {ENOMEM, "EVP_CIPHER_CTX_new"};
    return nullptr;
  }
  std::unique_ptr<Cipher> cipher(new Cipher(context, headBytes));
  if (o->init(context, o->aes(), nullptr, key, nullptr, seals ? 1 : 0) == 1) return cipher;
  *failure = {ENOTSUP, "EVP_CipherInit_ex"};
  return nullptr;
}

Cipher::~Cipher() {
  OpenSsl::load()->freeContext(context_);
}

bool Cipher::begin(const uint8_t* head) {
  const OpenSsl* o = OpenSsl::load();
  std::array<uint8_t, kNonceBytes> nonce{};
  for (size_t i = 0; i < sizeof count_; ++i) {
    nonce.at(kNonceBytes - 1 - i) = static_cast<uint8_t>(count_ >> (8 * i));
  }
  ++count_;
  int written = 0;
  return o->init(context_, nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
         o->update(context_, nullptr, &written, head, static_cast<int>(headBytes_)) == 1;
}

bool Cipher::seal(const uint8_t* frame, size_t length, uint8_t* to) {
  const OpenSsl* o = OpenSsl::load();
  if (!begin(frame)) return false;
  std::memcpy(to, frame, headBytes_);
  int written = 0;
  const auto payload = static_cast<int>(length - headBytes_);
  uint8_t* end = to + length;
  return (payload == 0 ||
          o->update(context_, to + headBytes_, &written, frame + headBytes_, payload) == 1) &&
         o->finish(context_, end, &written) == 1 &&
         o->control(context_, kGetTag, kCipherTagBytes, end) == 1;
}

bool Cipher::open(uint8_t* frame, size_t length) {
  const OpenSsl* o = OpenSsl::load();
  if (!begin(frame)) return false;
  int written = 0;
  const auto payload = static_cast<int>(length - headBytes_ - kCipherTagBytes);
  uint8_t* at = frame + headBytes_;
  uint8_t* tag = at + payload;
  return (payload == 0 || o->update(context_, at, &written, at, payload) == 1) &&
         o->control(context_, kSetTag, kCipherTagBytes, tag) == 1 &&
         o->finish(context_, tag, &written) == 1;
}

}  // namespace hotspare
