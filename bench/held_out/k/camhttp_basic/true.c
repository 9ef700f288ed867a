#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/types.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <netinet/in.h>

#define HTTP_PORT	8080
#define MAX_LINE	1024
#define REALM		"IPCamera"

struct user {
	char name[32];
	char pwd[32];
	int  admin;
};

struct request {
	FILE *io;
	char method[8];
	char path[128];
	char *auth;
	char *agent;
	int   keep;
	const struct user *who;
};

static struct user users[8];
static int n_users;
static unsigned long n_req;

static int b64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

static int b64_decode(const char *src, char *dst)
{
	unsigned acc = 0;
	int bits = 0, n = 0, v;

	for (; *src && *src != '='; src++) {
		v = b64_value((unsigned char)*src);
		if (v < 0)
			continue;
		acc = (acc << 6) | (unsigned)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			dst[n++] = (char)(acc >> bits);
			acc &= (1u << bits) - 1;
		}
	}
	return n;
}

static void users_load(const char *file)
{
	char line[128];
	FILE *f = fopen(file, "r");

	if (f == NULL) {
		strcpy(users[0].name, "admin");
		strcpy(users[0].pwd, "123456");
		users[0].admin = 1;
		n_users = 1;
		return;
	}
	while (n_users < 8 && fgets(line, sizeof(line), f)) {
		struct user *u = &users[n_users];

		if (sscanf(line, "%31[^:]:%31[^:]:%d", u->name, u->pwd, &u->admin) == 3)
			n_users++;
	}
	fclose(f);
}

static void status(struct request *r, int code, const char *text, const char *extra)
{
	fprintf(r->io, "HTTP/1.0 %d %s\r\nServer: camhttp\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
		code, text, extra ? extra : "");
}

static int authorise(struct request *r)
{
	char cred[96], *colon;
	const char *p;
	int n, i;

	if (r->auth == NULL)
		return 0;
	p = r->auth;
	if (strncasecmp(p, "Basic ", 6) != 0)
		return 0;
	p += 6;
	while (*p == ' ')
		p++;
	if (*p == '\0')
		return 0;
	n = b64_decode(p, cred);
	cred[n] = '\0';
	colon = strchr(cred, ':');
	if (colon == NULL)
		return 0;
	*colon++ = '\0';
	for (i = 0; i < n_users; i++) {
		if (strcmp(users[i].name, cred) == 0 && strcmp(users[i].pwd, colon) == 0) {
			r->who = &users[i];
			return 1;
		}
	}
	return 0;
}

static void send_file(struct request *r, const char *file, const char *type)
{
	char buf[2048];
	struct stat st;
	size_t n;
	FILE *f = fopen(file, "rb");

	if (f == NULL || fstat(fileno(f), &st) < 0) {
		if (f)
			fclose(f);
		status(r, 404, "Not Found", NULL);
		return;
	}
	fprintf(r->io, "HTTP/1.0 200 OK\r\nContent-Type: %s\r\nContent-Length: %ld\r\n\r\n", type, (long)st.st_size);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, r->io);
	fclose(f);
}

static void h_snapshot(struct request *r)
{
	send_file(r, "/tmp/snap.jpg", "image/jpeg");
}

static void h_log(struct request *r)
{
	send_file(r, "/var/log/messages", "text/plain");
}

static void h_params(struct request *r)
{
	char body[256];
	int n = snprintf(body, sizeof(body), "var user='%s';\nvar admin=%d;\nvar requests=%lu;\n",
			 r->who->name, r->who->admin, n_req);

	fprintf(r->io, "HTTP/1.0 200 OK\r\nContent-Type: text/javascript\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

static void h_reboot(struct request *r)
{
	if (!r->who->admin) {
		status(r, 403, "Forbidden", NULL);
		return;
	}
	status(r, 200, "OK", NULL);
	fflush(r->io);
	sync();
	if (system("reboot") != 0)
		perror("reboot");
}

static const struct route {
	const char *path;
	void (*fn)(struct request *);
} routes[] = {
	{ "/snapshot.cgi", h_snapshot },
	{ "/get_params.cgi", h_params },
	{ "/get_log.cgi", h_log },
	{ "/reboot.cgi", h_reboot },
};

static int read_request(struct request *r)
{
	char line[MAX_LINE], *v, *q;
	int headers = 0;

	if (fgets(line, sizeof(line), r->io) == NULL)
		return -1;
	if (sscanf(line, "%7s %127s", r->method, r->path) != 2)
		return -1;
	q = strchr(r->path, '?');
	if (q)
		*q = '\0';
	while (fgets(line, sizeof(line), r->io)) {
		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0')
			return 0;
		if (++headers > 40)
			return -1;
		v = strchr(line, ':');
		if (v == NULL)
			continue;
		*v++ = '\0';
		while (*v == ' ')
			v++;
		if (strcasecmp(line, "Authorization") == 0 && r->auth == NULL)
			r->auth = strdup(v);
		else if (strcasecmp(line, "User-Agent") == 0 && r->agent == NULL)
			r->agent = strdup(v);
	}
	return -1;
}

static void serve(int fd)
{
	struct request r;
	size_t i;

	memset(&r, 0, sizeof(r));
	r.io = fdopen(fd, "r+");
	if (r.io == NULL)
		return;
	if (read_request(&r) < 0) {
		fseek(r.io, 0, SEEK_CUR);
		status(&r, 400, "Bad Request", NULL);
		goto done;
	}
	fseek(r.io, 0, SEEK_CUR);
	if (strcmp(r.method, "GET") != 0) {
		status(&r, 501, "Not Implemented", NULL);
		goto done;
	}
	if (!authorise(&r)) {
		status(&r, 401, "Unauthorized", "WWW-Authenticate: Basic realm=\"" REALM "\"\r\n");
		goto done;
	}
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(routes[i].path, r.path) == 0) {
			routes[i].fn(&r);
			goto done;
		}
	}
	status(&r, 404, "Not Found", NULL);
done:
	free(r.auth);
	free(r.agent);
	fclose(r.io);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a;
	int s, c, on = 1;

	users_load(argc > 1 ? argv[1] : "/etc/camusers");
	signal(SIGPIPE, SIG_IGN);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons(HTTP_PORT);
	a.sin_addr.s_addr = htonl(INADDR_ANY);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 8) < 0) {
		perror("camhttp");
		return 1;
	}
	for (;;) {
		c = accept(s, NULL, NULL);
		if (c < 0)
			continue;
		n_req++;
		if (fork() == 0) {
			close(s);
			alarm(30);
			serve(c);
			_exit(0);
		}
		close(c);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
