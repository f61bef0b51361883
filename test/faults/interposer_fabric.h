// The part of interposer.c that counts calls of libfabric.
//
// An object of libfabric begins with a struct fid and points at tables of functions. `count_NAME` exchanges each such
// pointer for a copy of the table in which our functions stand. A copy remembers the table it was made of, so that
// `real_of` finds the function that is to be called; there is one copy for each table, however many objects share it.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

static void *fabric;

struct copied {
  struct copied *next;
  const void *real;
  char table[512];
};

static pthread_mutex_t copies_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct copied *copies;

static struct copied *find_copy(const void *real, size_t size, int *fresh) {
  pthread_mutex_lock(&copies_mutex);
  struct copied *one = copies;
  while (one != NULL && one->real != real && (const void *)one->table != real) one = one->next;
  *fresh = one == NULL;
  if (one == NULL) {
    if (size > sizeof one->table) abort();
    one = calloc(1, sizeof *one);
    one->real = real;
    memcpy(one->table, real, size);
    one->next = copies;
    copies = one;
  }
  pthread_mutex_unlock(&copies_mutex);
  return one;
}

static const void *real_of(const void *table) {
  return ((const struct copied *)((const char *)table - offsetof(struct copied, table)))->real;
}

/* Exchanges a table pointer; `copy` is set where entries are to be filled in. */
#define EXCHANGE(type, pointer, copy)                                      \
  int fresh_##copy = 0;                                                    \
  type *copy = (type *)find_copy((pointer), sizeof(type), &fresh_##copy)->table; \
  (pointer) = copy;

#define REFUSE(name)                             \
  do {                                           \
    const int code = fault(name, CALLER);        \
    if (code != 0) return -code;                 \
  } while (0)

static int fid_bind(struct fid *fid, struct fid *other, uint64_t flags) {
  const struct fi_ops *real = real_of(fid->ops);
  REFUSE(fid->fclass == FI_CLASS_PEP ? "fi_pep_bind" : "fi_ep_bind");
  return real->bind(fid, other, flags);
}

static int fid_control(struct fid *fid, int command, void *argument) {
  const struct fi_ops *real = real_of(fid->ops);
  REFUSE(command == FI_ENABLE ? "fi_enable" : "fi_control");
  return real->control(fid, command, argument);
}

static void count_fid(struct fid *fid) {
  EXCHANGE(struct fi_ops, fid->ops, ops)
  ops->bind = fid_bind;
  ops->control = fid_control;
}

static ssize_t eq_read(struct fid_eq *eq, uint32_t *event, void *buffer, size_t n, uint64_t flags) {
  const struct fi_ops_eq *real = real_of(eq->ops);
  REFUSE("fi_eq_read");
  return real->read(eq, event, buffer, n, flags);
}

static ssize_t eq_readerr(struct fid_eq *eq, struct fi_eq_err_entry *buffer, uint64_t flags) {
  const struct fi_ops_eq *real = real_of(eq->ops);
  REFUSE("fi_eq_readerr");
  return real->readerr(eq, buffer, flags);
}

static ssize_t cq_read(struct fid_cq *cq, void *buffer, size_t count) {
  const struct fi_ops_cq *real = real_of(cq->ops);
  REFUSE("fi_cq_read");
  return real->read(cq, buffer, count);
}

static ssize_t cq_readerr(struct fid_cq *cq, struct fi_cq_err_entry *buffer, uint64_t flags) {
  const struct fi_ops_cq *real = real_of(cq->ops);
  REFUSE("fi_cq_readerr");
  return real->readerr(cq, buffer, flags);
}

static int cm_getname(fid_t fid, void *address, size_t *length) {
  struct fi_ops_cm *cm =
      fid->fclass == FI_CLASS_PEP ? ((struct fid_pep *)fid)->cm : ((struct fid_ep *)fid)->cm;
  const struct fi_ops_cm *real = real_of(cm);
  REFUSE("fi_getname");
  return real->getname(fid, address, length);
}

static int cm_listen(struct fid_pep *pep) {
  const struct fi_ops_cm *real = real_of(pep->cm);
  REFUSE("fi_listen");
  return real->listen(pep);
}

static int cm_reject(struct fid_pep *pep, fid_t handle, const void *bytes, size_t length) {
  const struct fi_ops_cm *real = real_of(pep->cm);
  REFUSE("fi_reject");
  return real->reject(pep, handle, bytes, length);
}

static int cm_connect(struct fid_ep *ep, const void *address, const void *bytes, size_t length) {
  const struct fi_ops_cm *real = real_of(ep->cm);
  REFUSE("fi_connect");
  return real->connect(ep, address, bytes, length);
}

static int cm_accept(struct fid_ep *ep, const void *bytes, size_t length) {
  const struct fi_ops_cm *real = real_of(ep->cm);
  REFUSE("fi_accept");
  return real->accept(ep, bytes, length);
}

static int cm_shutdown(struct fid_ep *ep, uint64_t flags) {
  const struct fi_ops_cm *real = real_of(ep->cm);
  REFUSE("fi_shutdown");
  return real->shutdown(ep, flags);
}

static struct fi_ops_cm *count_cm(struct fi_ops_cm *table) {
  EXCHANGE(struct fi_ops_cm, table, cm)
  cm->getname = cm_getname;
  cm->listen = cm_listen;
  cm->reject = cm_reject;
  cm->connect = cm_connect;
  cm->accept = cm_accept;
  cm->shutdown = cm_shutdown;
  return table;
}

static ssize_t rma_writemsg(struct fid_ep *ep, const struct fi_msg_rma *message, uint64_t flags) {
  const struct fi_ops_rma *real = real_of(ep->rma);
  REFUSE("fi_writemsg");
  return real->writemsg(ep, message, flags);
}

static int domain_cq_open(struct fid_domain *domain, struct fi_cq_attr *attributes,
                          struct fid_cq **cq, void *context) {
  const struct fi_ops_domain *real = real_of(domain->ops);
  REFUSE("fi_cq_open");
  const int result = real->cq_open(domain, attributes, cq, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  EXCHANGE(struct fi_ops_cq, (*cq)->ops, ops)
  ops->read = cq_read;
  ops->readerr = cq_readerr;
  count_fid(&(*cq)->fid);
  return 0;
}

static int domain_endpoint(struct fid_domain *domain, struct fi_info *info, struct fid_ep **ep,
                           void *context) {
  const struct fi_ops_domain *real = real_of(domain->ops);
  REFUSE("fi_endpoint");
  const int result = real->endpoint(domain, info, ep, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  EXCHANGE(struct fi_ops_rma, (*ep)->rma, rma)
  rma->writemsg = rma_writemsg;
  (*ep)->cm = count_cm((*ep)->cm);
  count_fid(&(*ep)->fid);
  return 0;
}

static int mr_reg(struct fid *fid, const void *bytes, size_t length, uint64_t access,
                  uint64_t offset, uint64_t key, uint64_t flags, struct fid_mr **mr,
                  void *context) {
  const struct fi_ops_mr *real = real_of(((struct fid_domain *)fid)->mr);
  REFUSE("fi_mr_reg");
  return real->reg(fid, bytes, length, access, offset, key, flags, mr, context);
}

static int fabric_domain(struct fid_fabric *opened, struct fi_info *info,
                         struct fid_domain **domain, void *context) {
  const struct fi_ops_fabric *real = real_of(opened->ops);
  REFUSE("fi_domain");
  const int result = real->domain(opened, info, domain, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  EXCHANGE(struct fi_ops_domain, (*domain)->ops, ops)
  ops->cq_open = domain_cq_open;
  ops->endpoint = domain_endpoint;
  EXCHANGE(struct fi_ops_mr, (*domain)->mr, mr)
  mr->reg = mr_reg;
  return 0;
}

static int fabric_passive_ep(struct fid_fabric *opened, struct fi_info *info, struct fid_pep **pep,
                             void *context) {
  const struct fi_ops_fabric *real = real_of(opened->ops);
  REFUSE("fi_passive_ep");
  const int result = real->passive_ep(opened, info, pep, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  (*pep)->cm = count_cm((*pep)->cm);
  count_fid(&(*pep)->fid);
  return 0;
}

static int fabric_eq_open(struct fid_fabric *opened, struct fi_eq_attr *attributes,
                          struct fid_eq **eq, void *context) {
  const struct fi_ops_fabric *real = real_of(opened->ops);
  REFUSE("fi_eq_open");
  const int result = real->eq_open(opened, attributes, eq, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  EXCHANGE(struct fi_ops_eq, (*eq)->ops, ops)
  ops->read = eq_read;
  ops->readerr = eq_readerr;
  count_fid(&(*eq)->fid);
  return 0;
}

static int fabric_trywait(struct fid_fabric *opened, struct fid **fids, int count) {
  const struct fi_ops_fabric *real = real_of(opened->ops);
  REFUSE("fi_trywait");
  return real->trywait(opened, fids, count);
}

#define FABRIC(name) __typeof__(&name) real = (__typeof__(real))dlsym(fabric, #name)

int fi_fabric(struct fi_fabric_attr *attributes, struct fid_fabric **opened, void *context) {
  FABRIC(fi_fabric);
  REFUSE("fi_fabric");
  const int result = real(attributes, opened, context);
  if (result != 0 || !is_addon(CALLER)) return result;
  EXCHANGE(struct fi_ops_fabric, (*opened)->ops, ops)
  ops->domain = fabric_domain;
  ops->passive_ep = fabric_passive_ep;
  ops->eq_open = fabric_eq_open;
  ops->trywait = fabric_trywait;
  return 0;
}

int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags,
               const struct fi_info *hints, struct fi_info **info) {
  FABRIC(fi_getinfo);
  REFUSE("fi_getinfo");
  return real(version, node, service, flags, hints, info);
}

struct fi_info *fi_dupinfo(const struct fi_info *info) {
  FABRIC(fi_dupinfo);
  if (fault("fi_dupinfo", CALLER) != 0) return NULL;
  return real(info);
}

void fi_freeinfo(struct fi_info *info) {
  FABRIC(fi_freeinfo);
  real(info);
}

const char *fi_strerror(int code) {
  FABRIC(fi_strerror);
  return real(code);
}

uint32_t fi_version(void) {
  FABRIC(fi_version);
  return real();
}
