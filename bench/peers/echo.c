// An echo server: epoll, one thread, one receive and one send per ready socket. No server of this shape can be faster;
// bench/ compares with it.
#define _GNU_SOURCE  // accept4
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char buffer[1 << 20];

static void must(int ok, const char* what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void take(int set, int listener) {
  int on = 1;
  int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (client < 0) return;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
  must(epoll_ctl(set, EPOLL_CTL_ADD, client, &event) == 0, "epoll_ctl");
}

static void echo(int client) {
  ssize_t got = recv(client, buffer, sizeof buffer, 0);
  if (got <= 0 || send(client, buffer, (size_t)got, MSG_NOSIGNAL) != got) close(client);
}

int main(int count, char** words) {
  int on = 1;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  address.sin_port = htons((unsigned short)(count > 1 ? atoi(words[1]) : 0));
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  must(bind(listener, (struct sockaddr*)&address, sizeof address) == 0, "bind");
  must(listen(listener, 1024) == 0, "listen");
  int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  must(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
  for (;;) {
    struct epoll_event ready[256];
    int events = epoll_wait(set, ready, 256, -1);
    for (int i = 0; i < events; ++i) {
      if (ready[i].data.fd == listener) {
        take(set, listener);
      } else {
        echo(ready[i].data.fd);
      }
    }
  }
}
