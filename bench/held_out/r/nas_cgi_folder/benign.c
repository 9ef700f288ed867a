/* folder_mgr.cgi - share folder page of the NAS web UI */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <fcntl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#define VOLUME_ROOT  "/mnt/HD/HD_a2"
#define SESSION_DIR  "/tmp/websess"
#define MAX_PARAM    24
#define MAX_POST     16384

typedef struct {
	char *name;
	char *value;
} CGI_PARAM;

static CGI_PARAM g_param[MAX_PARAM];
static int g_nparam;
static FILE *g_log;

static void cgi_log(const char *who, const char *msg)
{
	time_t now = time(NULL);

	if (!g_log)
		g_log = fopen("/var/log/folder_mgr.log", "a");
	if (g_log)
		fprintf(g_log, "%ld %s: %s\n", (long)now, who, msg);
}

static void url_unescape(char *s)
{
	char *o = s, hex[3] = { 0, 0, 0 };

	while (*s) {
		if (s[0] == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			*o++ = (char)strtol(hex, NULL, 16);
			s += 3;
			continue;
		}
		*o++ = (*s == '+') ? ' ' : *s;
		s++;
	}
	*o = '\0';
}

static void cgi_parse(char *s)
{
	char *tok, *save = NULL, *eq;

	for (tok = strtok_r(s, "&", &save); tok; tok = strtok_r(NULL, "&", &save)) {
		if (g_nparam == MAX_PARAM)
			return;
		eq = strchr(tok, '=');
		if (!eq)
			continue;
		*eq++ = '\0';
		url_unescape(tok);
		url_unescape(eq);
		g_param[g_nparam].name = tok;
		g_param[g_nparam].value = eq;
		g_nparam++;
	}
}

static int cgi_init(void)
{
	char *method = getenv("REQUEST_METHOD");
	char *qs = getenv("QUERY_STRING");
	char *cl, *post;
	long len;
	size_t got;

	if (qs && *qs && (qs = strdup(qs)) != NULL)
		cgi_parse(qs);
	if (method && !strcmp(method, "POST")) {
		cl = getenv("CONTENT_LENGTH");
		len = cl ? strtol(cl, NULL, 10) : 0;
		if (len <= 0 || len > MAX_POST)
			return -1;
		post = malloc(len + 1);
		if (!post)
			return -1;
		got = fread(post, 1, len, stdin);
		post[got] = '\0';
		cgi_parse(post);
	}
	return 0;
}

static const char *cgi_get(const char *name)
{
	int i;

	for (i = 0; i < g_nparam; i++)
		if (!strcmp(g_param[i].name, name))
			return g_param[i].value;
	return "";
}

static int check_session(void)
{
	const char *ck = getenv("HTTP_COOKIE"), *p;
	char path[64];
	struct stat st;
	int n;

	if (!ck || (p = strstr(ck, "NASSID=")) == NULL)
		return 0;
	p += 7;
	n = strspn(p, "0123456789abcdef");
	if (n != 32)
		return 0;
	snprintf(path, sizeof(path), "%s/%.32s", SESSION_DIR, p);
	if (stat(path, &st) < 0)
		return 0;
	return time(NULL) - st.st_mtime < 1800;
}

static void xml_head(void)
{
	printf("Content-Type: text/xml\r\nCache-Control: no-cache\r\n\r\n");
	printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

static void xml_result(int rc)
{
	xml_head();
	printf("<config><res>%d</res></config>\n", rc);
}

/* no way out of the volume */
static int bad_folder(const char *s)
{
	if (!*s || strlen(s) > 200)
		return 1;
	if (*s == '/' || strstr(s, ".."))
		return 1;
	return 0;
}

static int make_path(char *out, size_t size, const char *folder)
{
	int n = snprintf(out, size, "%s/%s", VOLUME_ROOT, folder);

	return (n < 0 || n >= (int)size) ? -1 : 0;
}

/* quote a path for the shell; returns -1 when it does not fit */
static int shell_path(const char *in, char *out, size_t size)
{
	size_t n = 0;

	out[n++] = '\'';
	for (; *in; in++) {
		if (n + 6 > size)
			return -1;
		if (*in == '\'') {
			memcpy(out + n, "'\\'", 3);
			n += 3;
		}
		out[n++] = *in;
	}
	out[n++] = '\'';
	out[n] = '\0';
	return 0;
}

static int run_shell(const char *cmd, char *out, size_t size)
{
	int fds[2], st = -1;
	size_t n = 0;
	ssize_t r;
	pid_t pid;

	if (pipe(fds) < 0)
		return -1;
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid == 0) {
		int nul = open("/dev/null", O_RDWR);

		close(fds[0]);
		dup2(nul, 0);
		dup2(fds[1], 1);
		dup2(nul, 2);
		execl("/bin/sh", "sh", "-c", cmd, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	while (n < size - 1 && (r = read(fds[0], out + n, size - 1 - n)) > 0)
		n += r;
	out[n] = '\0';
	close(fds[0]);
	waitpid(pid, &st, 0);
	return st;
}

static void act_list(void)
{
	DIR *d = opendir(VOLUME_ROOT);
	struct dirent *de;

	xml_head();
	printf("<folders>\n");
	while (d && (de = readdir(d)) != NULL) {
		const char *p;

		if (de->d_name[0] == '.')
			continue;
		printf("<item>");
		for (p = de->d_name; *p; p++) {
			if (*p == '<')
				printf("&lt;");
			else if (*p == '&')
				printf("&amp;");
			else
				putchar(*p);
		}
		printf("</item>\n");
	}
	printf("</folders>\n");
	if (d)
		closedir(d);
}

static void act_mkdir(void)
{
	char path[320];
	const char *f = cgi_get("folder");

	if (bad_folder(f) || make_path(path, sizeof(path), f) < 0) {
		xml_result(1);
		return;
	}
	xml_result(mkdir(path, 0775) < 0 ? 2 : 0);
	cgi_log("mkdir", path);
}

static void act_rename(void)
{
	char from[320], to[320];
	const char *f = cgi_get("folder"), *t = cgi_get("newname");

	if (bad_folder(f) || bad_folder(t) || strchr(t, '/')) {
		xml_result(1);
		return;
	}
	if (make_path(from, sizeof(from), f) < 0 || make_path(to, sizeof(to), t) < 0) {
		xml_result(1);
		return;
	}
	xml_result(rename(from, to) < 0 ? 2 : 0);
}

static void act_usage(void)
{
	char path[320], quoted[700], cmd[1024], res[256];
	const char *f = cgi_get("folder");
	long kb;

	if (bad_folder(f) || make_path(path, sizeof(path), f) < 0) {
		xml_result(1);
		return;
	}
	if (shell_path(path, quoted, sizeof(quoted)) < 0) {
		xml_result(1);
		return;
	}
	snprintf(cmd, sizeof(cmd), "nice -n 10 du -sk %s | cut -f1", quoted);
	cgi_log("usage", cmd);
	if (run_shell(cmd, res, sizeof(res)) < 0) {
		xml_result(3);
		return;
	}
	kb = strtol(res, NULL, 10);
	xml_head();
	printf("<usage><kb>%ld</kb><mb>%ld</mb></usage>\n", kb, kb / 1024);
}

static void act_chmod(void)
{
	char path[320];
	const char *f = cgi_get("folder"), *m = cgi_get("mode");
	mode_t mode = strcmp(m, "ro") ? 0775 : 0555;

	if (bad_folder(f) || make_path(path, sizeof(path), f) < 0) {
		xml_result(1);
		return;
	}
	xml_result(chmod(path, mode) < 0 ? 2 : 0);
}

static const struct action {
	const char *cmd;
	int need_post;
	void (*fn)(void);
} actions[] = {
	{ "cgi_folder_list",   0, act_list },
	{ "cgi_folder_create", 1, act_mkdir },
	{ "cgi_folder_rename", 1, act_rename },
	{ "cgi_folder_usage",  0, act_usage },
	{ "cgi_folder_mode",   1, act_chmod },
};

int main(void)
{
	const char *cmd, *method = getenv("REQUEST_METHOD");
	unsigned i;

	if (cgi_init() < 0) {
		xml_result(400);
		return 0;
	}
	if (!check_session()) {
		printf("Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n");
		return 0;
	}
	cmd = cgi_get("cmd");
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(cmd, actions[i].cmd))
			continue;
		if (actions[i].need_post && (!method || strcmp(method, "POST")))
			break;
		actions[i].fn();
		if (g_log)
			fclose(g_log);
		return 0;
	}
	xml_result(404);
	return 0;
}
