// Small web server of an outdoor camera: static pages from flash, a few built-in pages, basic authorization.
// One child per connection; a counter page is kept in shared memory.

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_SIZE 4096
#define PATH_SIZE 160

struct Counters {
  unsigned requests;
  unsigned denied;
  unsigned missing;
  time_t started;
};

struct Request {
  char raw[REQUEST_SIZE];
  char *method;
  char *uri;
  char *query;
  char *authorization;
  int keepAlive;
  int socket;
};

static struct Counters *counters;
static const char *docRoot = "/mnt/mtd/web";
static char account[64] = "admin:admin";
static int listenPort = 80;

static const char *mimeOf(const char *path) {
  static const struct { const char *ext, *type; } kinds[] = {
    {".html", "text/html"}, {".js", "application/javascript"}, {".css", "text/css"}, {".jpg", "image/jpeg"},
    {".png", "image/png"}, {".gif", "image/gif"}, {".cab", "application/octet-stream"},
  };
  const char *dot = strrchr(path, '.');
  if (dot)
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      if (strcasecmp(dot, kinds[i].ext) == 0)
        return kinds[i].type;
  return "text/plain";
}

static void sendHead(struct Request *r, const char *status, const char *type, long length) {
  char head[320];
  int n = snprintf(head, sizeof head,
                   "HTTP/1.0 %s\r\nServer: camhttpd\r\nContent-Type: %s\r\nContent-Length: %ld\r\n%s\r\n", status, type,
                   length, strncmp(status, "401", 3) == 0 ? "WWW-Authenticate: Basic realm=\"IPCAM\"\r\n" : "");
  if (n > 0 && n < (int)sizeof head && write(r->socket, head, n) < 0)
    _exit(0);
}

static void sendText(struct Request *r, const char *status, const char *text) {
  sendHead(r, status, "text/html", (long)strlen(text));
  if (write(r->socket, text, strlen(text)) < 0)
    _exit(0);
}

// Decodes base64 into out (at most room - 1 characters) and terminates it.
static void base64Decode(const char *in, char *out, size_t room) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned bits = 0;
  int have = 0;
  size_t n = 0;
  for (; *in && *in != '='; in++) {
    const char *d = strchr(digits, *in);
    if (!d)
      break;
    bits = bits << 6 | (unsigned)(d - digits);
    have += 6;
    if (have >= 8) {
      have -= 8;
      if (n + 1 >= room)
        break;
      out[n++] = (char)(bits >> have & 0xff);
    }
  }
  out[n] = '\0';
}

static int authorized(const struct Request *r) {
  char given[64];
  if (!r->authorization || strncasecmp(r->authorization, "Basic ", 6) != 0)
    return 0;
  base64Decode(r->authorization + 6, given, sizeof given);
  return strcmp(given, account) == 0;
}

static int readRequest(struct Request *r) {
  size_t used = 0;
  char *line, *save;
  for (;;) {
    ssize_t n = read(r->socket, r->raw + used, sizeof r->raw - 1 - used);
    if (n <= 0)
      return -1;
    used += (size_t)n;
    r->raw[used] = '\0';
    if (strstr(r->raw, "\r\n\r\n"))
      break;
    if (used == sizeof r->raw - 1)
      return -1;
  }
  line = strtok_r(r->raw, "\r\n", &save);
  if (!line)
    return -1;
  r->method = line;
  r->uri = strchr(line, ' ');
  if (!r->uri)
    return -1;
  *r->uri++ = '\0';
  r->uri[strcspn(r->uri, " ")] = '\0';
  while ((line = strtok_r(NULL, "\r\n", &save)) != NULL) {
    if (strncasecmp(line, "Authorization:", 14) == 0) {
      r->authorization = line + 14;
      while (*r->authorization == ' ')
        r->authorization++;
    } else if (strncasecmp(line, "Connection:", 11) == 0) {
      r->keepAlive = strstr(line, "eep") != NULL;
    }
  }
  r->query = strchr(r->uri, '?');
  if (r->query)
    *r->query++ = '\0';
  return 0;
}

// ---- pages ----

static void pageStatus(struct Request *r) {
  char text[256];
  snprintf(text, sizeof text, "requests=%u<br>denied=%u<br>missing=%u<br>uptime=%ld\n", counters->requests,
           counters->denied, counters->missing, (long)(time(NULL) - counters->started));
  sendText(r, "200 OK", text);
}

static void pageMove(struct Request *r) {
  int step = 0;
  if (r->query && strncmp(r->query, "step=", 5) == 0)
    step = atoi(r->query + 5);
  FILE *f = fopen("/dev/ptz0", "w");
  if (f) {
    fprintf(f, "%d\n", step);
    fclose(f);
  }
  sendText(r, "200 OK", "ok\n");
}

static void pageReboot(struct Request *r) {
  sendText(r, "200 OK", "rebooting\n");
  kill(getppid(), SIGUSR1);
}

static void sendFile(struct Request *r, const char *path) {
  char block[1024];
  struct stat st;
  ssize_t n;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    __sync_fetch_and_add(&counters->missing, 1);
    sendText(r, "404 Not Found", "no such page\n");
  } else {
    sendHead(r, "200 OK", mimeOf(path), (long)st.st_size);
    while ((n = read(fd, block, sizeof block)) > 0)
      if (write(r->socket, block, (size_t)n) < 0)
        break;
  }
  if (fd >= 0)
    close(fd);
}

static void staticPage(struct Request *r) {
  char path[PATH_SIZE] = "";
  if (strstr(r->uri, "..")) {
    sendText(r, "403 Forbidden", "no\n");
    return;
  }
#ifdef BENIGN
  if (strlen(docRoot) + strlen(r->uri) + sizeof "index.html" > sizeof path) {
    sendText(r, "414 URI Too Long", "too long\n");
    return;
  }
#endif
  strcat(path, docRoot);
  strcat(path, r->uri);
  if (path[strlen(path) - 1] == '/')
    strcat(path, "index.html");
  sendFile(r, path);
}

// The last entry serves everything else.
static const struct Page {
  const char *uri;
  void (*show)(struct Request *);
  int needsLogin;
} pages[] = {
  {"/status.htm", pageStatus, 0},
  {"/cgi/move", pageMove, 1},
  {"/cgi/reboot", pageReboot, 1},
  {NULL, staticPage, 0},
};

static void serve(int client) {
  static struct Request r;
  r.socket = client;
  if (readRequest(&r) != 0 || (strcmp(r.method, "GET") != 0 && strcmp(r.method, "POST") != 0)) {
    sendText(&r, "400 Bad Request", "?\n");
    return;
  }
  __sync_fetch_and_add(&counters->requests, 1);
  const struct Page *page = pages;
  while (page->uri && strcmp(page->uri, r.uri) != 0)
    page++;
  if (page->needsLogin && !authorized(&r)) {
    __sync_fetch_and_add(&counters->denied, 1);
    sendText(&r, "401 Unauthorized", "login\n");
    return;
  }
  page->show(&r);
}

static volatile sig_atomic_t wantReboot;

static void onSignal(int number) {
  if (number == SIGUSR1)
    wantReboot = 1;
  else
    while (waitpid(-1, NULL, WNOHANG) > 0)
      ;
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int listener, option, yes = 1;
  while ((option = getopt(argc, argv, "p:r:u:")) != -1) {
    if (option == 'p')
      listenPort = atoi(optarg);
    else if (option == 'r')
      docRoot = optarg;
    else if (option == 'u')
      snprintf(account, sizeof account, "%s", optarg);
    else
      return 2;
  }
  counters = mmap(NULL, sizeof *counters, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counters == MAP_FAILED)
    return 1;
  counters->started = time(NULL);
  signal(SIGCHLD, onSignal);
  signal(SIGUSR1, onSignal);
  signal(SIGPIPE, SIG_IGN);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  address.sin_port = htons((unsigned short)listenPort);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
    perror("camhttpd");
    return 1;
  }
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (wantReboot)
      system("sync; reboot");
    if (client < 0)
      continue;
    pid_t child = fork();
    if (child == 0) {
      close(listener);
      alarm(20);
      serve(client);
      _exit(0);
    }
    close(client);
  }
}
