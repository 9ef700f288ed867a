/*
 *	lteweb.c - web front end of the indoor LTE CPE
 *
 *	Forms are registered by name and reached as /goform/<name>; settings go
 *	through the nvram cache and are taken over by the modem thread.
 */

#include	<arpa/inet.h>
#include	<ctype.h>
#include	<pthread.h>
#include	<signal.h>
#include	<stdarg.h>
#include	<stdio.h>
#include	<stdlib.h>
#include	<string.h>
#include	<strings.h>
#include	<sys/socket.h>
#include	<time.h>
#include	<unistd.h>

#define	T(x)		x
#define	NV_FILE		T("/etc/nvram.conf")
#define	REQ_MAX		8192
#define	MAX_FORMS	16
#define	MAX_VARS	32

typedef struct
{
	char	*name;
	char	*value;
} var_t;

typedef struct
{
	int	fd;
	char	*buf;
	char	*path;
	var_t	vars[MAX_VARS];
	int	nvars;
} *webs_t;

typedef void (*form_t)(webs_t wp);

typedef struct nv_s
{
	struct nv_s	*next;
	char		*name;
	char		*value;
} nv_t;

static struct { const char *name; form_t fn; } forms[MAX_FORMS];
static int		nforms;
static nv_t		*nv_head;
static pthread_mutex_t	nv_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t	modem_cv = PTHREAD_COND_INITIALIZER;
static int		modem_pending;

/*------------------------------------------------------------------ nvram */

static char *nvram_get(const char *name, const char *dflt)
{
	nv_t	*n;
	char	*r;

	pthread_mutex_lock(&nv_lock);
	for (n = nv_head; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			break;
	r = strdup(n ? n->value : dflt);
	pthread_mutex_unlock(&nv_lock);
	return r;
}

static void nvram_set(const char *name, const char *value)
{
	nv_t	*n;

	pthread_mutex_lock(&nv_lock);
	for (n = nv_head; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			break;
	if (n == NULL && (n = calloc(1, sizeof(*n))) != NULL) {
		n->name = strdup(name);
		n->next = nv_head;
		nv_head = n;
	}
	if (n != NULL) {
		free(n->value);
		n->value = strdup(value);
	}
	pthread_mutex_unlock(&nv_lock);
}

static void nvram_load(void)
{
	char	line[512], *eq;
	FILE	*f = fopen(NV_FILE, "r");

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = 0;
		eq = strchr(line, '=');
		if (eq != NULL) {
			*eq++ = 0;
			nvram_set(line, eq);
		}
	}
	fclose(f);
}

static void nvram_commit(void)
{
	nv_t	*n;
	FILE	*f = fopen(NV_FILE, "w");

	if (f == NULL)
		return;
	pthread_mutex_lock(&nv_lock);
	for (n = nv_head; n; n = n->next)
		fprintf(f, "%s=%s\n", n->name, n->value);
	pthread_mutex_unlock(&nv_lock);
	fclose(f);
}

/*------------------------------------------------------------------ shell */

static int doSystem(const char *fmt, ...)
{
	va_list	ap;
	char	cmd[512];
	int	n;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (n <= 0 || n >= (int)sizeof(cmd))
		return -1;
	return system(cmd);
}

/*------------------------------------------------------------------ web */

static char *websGetVar(webs_t wp, const char *name, char *dflt)
{
	int	i;

	for (i = 0; i < wp->nvars; i++)
		if (strcmp(wp->vars[i].name, name) == 0)
			return wp->vars[i].value;
	return dflt;
}

static void websDecode(char *s)
{
	char	*d = s, hex[3] = { 0, 0, 0 };

	for (; *s; s++) {
		if (*s == '+')
			*d++ = ' ';
		else if (*s == '%' && isxdigit((unsigned char)s[1]) &&
			 isxdigit((unsigned char)s[2])) {
			hex[0] = s[1];
			hex[1] = s[2];
			*d++ = (char)strtol(hex, NULL, 16);
			s += 2;
		} else
			*d++ = *s;
	}
	*d = 0;
}

static void websParseVars(webs_t wp, char *q)
{
	char	*tok, *save = NULL, *eq;

	for (tok = strtok_r(q, "&", &save); tok; tok = strtok_r(NULL, "&", &save)) {
		if (wp->nvars >= MAX_VARS)
			break;
		eq = strchr(tok, '=');
		if (eq == NULL)
			continue;
		*eq++ = 0;
		websDecode(tok);
		websDecode(eq);
		wp->vars[wp->nvars].name = tok;
		wp->vars[wp->nvars].value = eq;
		wp->nvars++;
	}
}

static void websWrite(webs_t wp, const char *fmt, ...)
{
	char	out[1024];
	va_list	ap;
	int	n;

	va_start(ap, fmt);
	n = vsnprintf(out, sizeof(out), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(out))
		n = sizeof(out) - 1;
	if (n > 0)
		send(wp->fd, out, n, MSG_NOSIGNAL);
}

static void websFormDefine(const char *name, form_t fn)
{
	if (nforms < MAX_FORMS) {
		forms[nforms].name = name;
		forms[nforms].fn = fn;
		nforms++;
	}
}

static void websDone(webs_t wp, int code)
{
	websWrite(wp, "HTTP/1.0 %d %s\r\nContent-Type: text/plain\r\n\r\n%d\r\n",
		  code, code == 200 ? "OK" : "Error", code);
}

/*------------------------------------------------------------------ forms */

static int apnUsable(const char *apn)
{
	size_t	n = strlen(apn);

	/* the page checks the characters, here only what the modem can take */
	return n > 0 && n <= 99 && strpbrk(apn, "\"\r\n") == NULL;
}

static void formApn(webs_t wp)
{
	char	*apn = websGetVar(wp, T("apn"), T(""));
	char	*pdp = websGetVar(wp, T("pdptype"), T("IP"));

	if (!apnUsable(apn)) {
		websDone(wp, 400);
		return;
	}
	nvram_set("lte_apn", apn);
	nvram_set("lte_pdp", strcmp(pdp, "IPV6") == 0 ? "IPV6" : "IP");
	nvram_commit();
	pthread_mutex_lock(&nv_lock);
	modem_pending = 1;
	pthread_cond_signal(&modem_cv);
	pthread_mutex_unlock(&nv_lock);
	websDone(wp, 200);
}

static void formLed(webs_t wp)
{
	int	on = atoi(websGetVar(wp, T("led"), T("1")));

	nvram_set("led_on", on ? "1" : "0");
	doSystem("gpio l 14 %d", on ? 4000 : 0);
	websDone(wp, 200);
}

static void formMtu(webs_t wp)
{
	int	mtu = atoi(websGetVar(wp, T("mtu"), T("1500")));
	char	text[12];

	if (mtu < 576 || mtu > 1500) {
		websDone(wp, 400);
		return;
	}
	snprintf(text, sizeof(text), "%d", mtu);
	nvram_set("wan_mtu", text);
	nvram_commit();
	doSystem("ifconfig usb0 mtu %d", mtu);
	websDone(wp, 200);
}

static void formStatus(webs_t wp)
{
	char	*apn = nvram_get("lte_apn", "internet");
	char	*mtu = nvram_get("wan_mtu", "1500");

	websWrite(wp, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
		  "apn=%s\nmtu=%s\n", apn, mtu);
	free(apn);
	free(mtu);
}

/*------------------------------------------------------------------ modem */

static void modemApply(void)
{
	char	*apn = nvram_get("lte_apn", "internet");
	char	*pdp = nvram_get("lte_pdp", "IP");

	if (apnUsable(apn)) {
		doSystem("echo 'AT+CGDCONT=1,\"%s\",\"%s\"' > /dev/ttyUSB2",
			 strcmp(pdp, "IPV6") == 0 ? "IPV6" : "IP", apn);
		doSystem("echo 'AT+CFUN=1,%d' > /dev/ttyUSB2", 1);
	}
	free(apn);
	free(pdp);
}

static void *modemThread(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&nv_lock);
		while (!modem_pending)
			pthread_cond_wait(&modem_cv, &nv_lock);
		modem_pending = 0;
		pthread_mutex_unlock(&nv_lock);
		sleep(2);		/* let the answer go out first */
		modemApply();
	}
	return NULL;
}

/*------------------------------------------------------------------ server */

static void websServe(webs_t wp)
{
	size_t	have = 0, want = 0;
	char	*body = NULL, *cl, *q, *sp;
	ssize_t	n;
	int	i;

	while (have < REQ_MAX) {
		n = recv(wp->fd, wp->buf + have, REQ_MAX - have, 0);
		if (n <= 0)
			break;
		have += n;
		wp->buf[have] = 0;
		body = strstr(wp->buf, "\r\n\r\n");
		if (body == NULL)
			continue;
		body += 4;
		cl = strstr(wp->buf, "Content-Length: ");
		want = cl && cl < body ? strtoul(cl + 16, NULL, 10) : 0;
		if (have - (body - wp->buf) >= want)
			break;
	}
	if (body == NULL)
		return;
	wp->path = strchr(wp->buf, ' ');
	if (wp->path == NULL)
		return;
	wp->path++;
	sp = strpbrk(wp->path, " \r\n");
	if (sp != NULL)
		*sp = 0;
	q = strchr(wp->path, '?');
	if (q != NULL) {
		*q++ = 0;
		websParseVars(wp, q);
	}
	websParseVars(wp, body);
	if (strncmp(wp->path, "/goform/", 8) == 0)
		for (i = 0; i < nforms; i++)
			if (strcmp(forms[i].name, wp->path + 8) == 0) {
				forms[i].fn(wp);
				return;
			}
	websDone(wp, 404);
}

int main(void)
{
	struct sockaddr_in	sa;
	struct timeval		tv = { 5, 0 };
	pthread_t		tid;
	char			*port;
	int			s, on = 1;
	webs_t			wp;

	signal(SIGPIPE, SIG_IGN);
	nvram_load();
	websFormDefine(T("apn"), formApn);
	websFormDefine(T("led"), formLed);
	websFormDefine(T("mtu"), formMtu);
	websFormDefine(T("status"), formStatus);
	if (pthread_create(&tid, NULL, modemThread, NULL) != 0)
		return 1;

	port = nvram_get("http_lanport", "8060");
	memset(&sa, 0, sizeof(sa));
	sa.sin_family = AF_INET;
	sa.sin_port = htons(atoi(port));
	free(port);
	s = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(s, 5) < 0)
		return 1;
	for (;;) {
		wp = calloc(1, sizeof(*wp));
		if (wp == NULL || (wp->buf = malloc(REQ_MAX + 1)) == NULL)
			return 1;
		wp->fd = accept(s, NULL, NULL);
		if (wp->fd >= 0) {
			setsockopt(wp->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
			websServe(wp);
			close(wp->fd);
		}
		free(wp->buf);
		free(wp);
	}
}
