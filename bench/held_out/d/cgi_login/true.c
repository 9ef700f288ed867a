/* login.cgi - login page of a network video recorder's web interface.
**
** Reads user, password and the page to go to afterwards, looks the user up in the password file, makes a session and
** sends the browser on. Every attempt is noted in the audit file; the line for it is put together on the stack with
** strcpy and strcat. The user's length is limited before that, the page's is not (benign: both are).
*/
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PASSWD_FILE  "/etc/nvr/users"
#define SESSION_FILE "/tmp/nvr_sessions"
#define AUDIT_FILE   "/tmp/nvr_audit"
#define AUDIT_LINE   256
#define USER_MAX     31
#define PAGE_MAX     95
#define BODY_MAX     8192
#define FAIL_LIMIT   5

struct sessionRec
   {
   char id[20];
   char user[USER_MAX + 1];
   char addr[48];
   int level;
   long expires;
   };

struct loginData
   {
   char *user;
   char *password;
   char *page;
   char *language;
   char cookie[20];
   char addr[48];
   };

enum loginResult { LOGIN_OK, LOGIN_DENIED, LOGIN_BADREQ, LOGIN_LOCKED };

static const char *resultText[] = { "accepted", "denied", "bad-request", "locked" };

static char *dupRange(const char *from, const char *to)
   {
   char *s = malloc((size_t)(to - from) + 1);

   if (!s)
      {
      fputs("Status: 500 Out of memory\r\n\r\n", stdout);
      exit(1);
      }
   memcpy(s, from, (size_t)(to - from));
   s[to - from] = '\0';
   return s;
   }

static int nibble(char c)
   {
   static const char digits[] = "0123456789abcdef";
   const char *p;

   if (c >= 'A' && c <= 'F')
      c = (char)(c + 'a' - 'A');
   p = c ? strchr(digits, c) : NULL;
   return p ? (int)(p - digits) : -1;
   }

/* in place; never gets longer */
static char *unescape(char *s)
   {
   size_t r, w;

   for (r = w = 0; s[r] != '\0'; r++, w++)
      {
      s[w] = s[r] == '+' ? ' ' : s[r];
      if (s[r] == '%' && nibble(s[r + 1]) >= 0 && nibble(s[r + 2]) >= 0)
         {
         s[w] = (char)(nibble(s[r + 1]) << 4 | nibble(s[r + 2]));
         r += 2;
         }
      }
   s[w] = '\0';
   return s;
   }

static char *getParam(const char *form, const char *name, const char *otherwise)
   {
   size_t n = strlen(name);
   const char *p = form, *end;

   while (p && *p)
      {
      end = p + strcspn(p, "&;");
      if (!strncmp(p, name, n) && p[n] == '=')
         return unescape(dupRange(p + n + 1, end));
      p = *end ? end + 1 : NULL;
      }
   return dupRange(otherwise, otherwise + strlen(otherwise));
   }

static void getCookie(struct loginData *ld)
   {
   const char *c = getenv("HTTP_COOKIE");
   const char *p = c ? strstr(c, "NVRSID=") : NULL;
   size_t i = 0;

   if (p)
      for (p += 7; *p && *p != ';' && i < sizeof(ld->cookie) - 1; p++)
         ld->cookie[i++] = *p;
   ld->cookie[i] = '\0';
   }

static char *readForm(void)
   {
   const char *method = getenv("REQUEST_METHOD");
   const char *s;
   char *body;
   long want;
   ssize_t got, at = 0;

   if (method && !strcmp(method, "POST"))
      {
      s = getenv("CONTENT_LENGTH");
      want = s ? atol(s) : 0;
      if (want < 1 || want > BODY_MAX)
         return NULL;
      body = calloc(1, (size_t)want + 1);
      while (body && at < want && (got = read(STDIN_FILENO, body + at, (size_t)(want - at))) > 0)
         at += got;
      return body;
      }
   s = getenv("QUERY_STRING");
   return s ? dupRange(s, s + strlen(s)) : NULL;
   }

/* name:level:hash */
static int lookUser(const char *user, const char *password, int *level)
   {
   char line[160];
   char *lv, *hash;
   unsigned long h = 5381;
   const char *p;
   FILE *f = fopen(PASSWD_FILE, "r");
   int found = 0;

   for (p = password; *p; p++)
      h = (h * 33 + (unsigned char)*p) & 0xffffffffUL;
   if (!f)
      return 0;
   while (!found && fgets(line, sizeof(line), f))
      {
      lv = strchr(line, ':');
      hash = lv ? strchr(lv + 1, ':') : NULL;
      if (!hash)
         continue;
      *lv++ = '\0';
      *hash++ = '\0';
      if (strcmp(line, user))
         continue;
      found = strtoul(hash, NULL, 16) == h;
      *level = atoi(lv);
      }
   fclose(f);
   return found;
   }

static int countFailures(const char *addr)
   {
   char line[512];
   FILE *f = fopen(AUDIT_FILE, "r");
   int n = 0;

   if (!f)
      return 0;
   while (fgets(line, sizeof(line), f))
      if (strstr(line, addr))
         n = strstr(line, "denied") ? n + 1 : 0;
   fclose(f);
   return n;
   }

static void audit(const struct loginData *ld, enum loginResult r)
   {
   char line[AUDIT_LINE];
   char stamp[24];
   time_t now = time(NULL);
   int fd;

   strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", gmtime(&now));
   strcpy(line, stamp);
   strcat(line, " ");
   strcat(line, ld->addr);
   strcat(line, " user=");
   strcat(line, ld->user);
   strcat(line, " page=");
   strcat(line, ld->page);
   strcat(line, " ");
   strcat(line, resultText[r]);
   strcat(line, "\n");
   fd = open(AUDIT_FILE, O_WRONLY | O_APPEND | O_CREAT, 0600);
   if (fd < 0)
      return;
   if (write(fd, line, strlen(line)) < 0)
      fprintf(stderr, "audit: %s\n", strerror(errno));
   close(fd);
   }

static int makeSession(struct sessionRec *rec, const struct loginData *ld, int level)
   {
   unsigned char rnd[8];
   int i, fd = open("/dev/urandom", O_RDONLY);

   if (fd < 0)
      return -1;
   i = (int)read(fd, rnd, sizeof(rnd));
   close(fd);
   if (i != (int)sizeof(rnd))
      return -1;
   memset(rec, 0, sizeof(*rec));
   for (i = 0; i < 8; i++)
      sprintf(rec->id + 2 * i, "%02x", rnd[i]);
   snprintf(rec->user, sizeof(rec->user), "%s", ld->user);
   snprintf(rec->addr, sizeof(rec->addr), "%s", ld->addr);
   rec->level = level;
   rec->expires = (long)time(NULL) + 1800;
   fd = open(SESSION_FILE, O_WRONLY | O_APPEND | O_CREAT, 0600);
   if (fd < 0)
      return -1;
   i = write(fd, rec, sizeof(*rec)) == (ssize_t)sizeof(*rec) ? 0 : -1;
   close(fd);
   return i;
   }

static int haveSession(const struct loginData *ld)
   {
   struct sessionRec rec;
   FILE *f = fopen(SESSION_FILE, "r");
   int found = 0;

   if (!f)
      return 0;
   while (!found && fread(&rec, sizeof(rec), 1, f) == 1)
      found = !strcmp(rec.id, ld->cookie) && !strcmp(rec.addr, ld->addr) && rec.expires > (long)time(NULL);
   fclose(f);
   return found;
   }

static void answer(const struct loginData *ld, enum loginResult r, const char *sid)
   {
   if (r == LOGIN_OK)
      {
      printf("Status: 302 Found\r\n");
      if (sid)
         printf("Set-Cookie: NVRSID=%s; HttpOnly\r\n", sid);
      printf("Location: /main.htm?lang=%s\r\n\r\n", !strcmp(ld->language, "de") ? "de" : "en");
      return;
      }
   printf("Status: %d\r\nContent-Type: text/plain\r\n\r\n%s\n", r == LOGIN_BADREQ ? 400 : 403, resultText[r]);
   }

static enum loginResult checkRequest(const struct loginData *ld)
   {
   if (ld->user[0] == '\0' || strlen(ld->user) > USER_MAX)
      return LOGIN_BADREQ;
#ifdef BENIGN
   if (ld->page[0] != '/' || strlen(ld->page) > PAGE_MAX)
      return LOGIN_BADREQ;
#else
   if (ld->page[0] != '/' || strstr(ld->page, "//") != NULL)
      return LOGIN_BADREQ;
#endif
   return LOGIN_OK;
   }

int main(void)
   {
   struct loginData ld;
   struct sessionRec rec;
   enum loginResult r;
   const char *addr = getenv("REMOTE_ADDR");
   char *form = readForm();
   int level = 0;

   memset(&ld, 0, sizeof(ld));
   snprintf(ld.addr, sizeof(ld.addr), "%s", addr ? addr : "local");
   ld.user = getParam(form, "user", "");
   ld.password = getParam(form, "pwd", "");
   ld.page = getParam(form, "page", "/main.htm");
   ld.language = getParam(form, "lang", "en");
   getCookie(&ld);
   if (ld.cookie[0] && haveSession(&ld))
      {
      answer(&ld, LOGIN_OK, NULL);
      return 0;
      }
   r = checkRequest(&ld);
   if (r != LOGIN_OK)
      {
      answer(&ld, r, NULL);
      return 0;
      }
   if (countFailures(ld.addr) >= FAIL_LIMIT)
      r = LOGIN_LOCKED;
   else if (!lookUser(ld.user, ld.password, &level))
      r = LOGIN_DENIED;
   audit(&ld, r);
   if (r == LOGIN_OK && makeSession(&rec, &ld, level) < 0)
      r = LOGIN_DENIED;
   answer(&ld, r, rec.id);
   return 0;
   }
