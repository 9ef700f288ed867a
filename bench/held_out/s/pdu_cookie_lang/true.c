/*
 * page.cgi of the rack PDU: fills a template with live values and with texts
 * of the chosen language.
 *   GET /cgi-bin/page.cgi?p=outlets
 *   Cookie: lang=de; theme=dark
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WWW_ROOT   "/www"
#define OUTLETS    8
#define MAX_TEXTS  128

typedef struct { char *id; char *text; } Text;

typedef struct {
  const char *name;
  const char *title;
  void (*emit)(void);
} Page;

static Text texts[MAX_TEXTS];
static int textCount;
static char *cookieLang;
static char *cookieTheme;

static const char *T(const char *id)
{
  int i;

  for (i = 0; i < textCount; i++)
    if (strcmp(texts[i].id, id) == 0)
      return texts[i].text;
  return id;
}

/* value of one cookie, malloced, NULL if it is not there */
static char *cookieValue(const char *all, const char *name)
{
  size_t n = strlen(name);

  while (all && *all) {
    while (*all == ' ' || *all == ';')
      all++;
    if (strncmp(all, name, n) == 0 && all[n] == '=') {
      const char *v = all + n + 1;
      size_t len = strcspn(v, ";");
      char *r = malloc(len + 1);

      if (r) {
        memcpy(r, v, len);
        r[len] = '\0';
      }
      return r;
    }
    all = strchr(all, ';');
  }
  return NULL;
}

static int langAcceptable(const char *lang)
{
  const char *p;

  if (*lang == '\0')
    return 0;
  for (p = lang; *p; p++)
    if (*p == '/' || *p == '.' || isspace((unsigned char)*p))
      return 0;
  return 1;
}

static void addText(char *line)
{
  char *eq = strchr(line, '=');

  if (!eq || *line == '#' || textCount >= MAX_TEXTS)
    return;
  *eq++ = '\0';
  eq[strcspn(eq, "\r\n")] = '\0';
  texts[textCount].id = strdup(line);
  texts[textCount].text = strdup(eq);
  if (texts[textCount].id && texts[textCount].text)
    textCount++;
}

static void loadTexts(const Page *page)
{
  char path[96];
  char line[512];
  FILE *f;

  if (!cookieLang || !langAcceptable(cookieLang))
    return;
  sprintf(path, WWW_ROOT "/i18n/%s/%s.txt", cookieLang, page->name);
  f = fopen(path, "r");
  if (!f)
    return;
  while (fgets(line, sizeof line, f))
    addText(line);
  fclose(f);
}

static long readNumber(const char *path)
{
  char buf[32];
  long v = -1;
  FILE *f = fopen(path, "r");

  if (!f)
    return -1;
  if (fgets(buf, sizeof buf, f))
    v = strtol(buf, NULL, 10);
  fclose(f);
  return v;
}

static void pageOutlets(void)
{
  char path[64];
  int i;

  printf("<table><tr><th>%s</th><th>%s</th><th>%s</th></tr>\n",
         T("outlet"), T("state"), T("power"));
  for (i = 1; i <= OUTLETS; i++) {
    long on, mw;

    snprintf(path, sizeof path, "/run/pdu/outlet%d/on", i);
    on = readNumber(path);
    snprintf(path, sizeof path, "/run/pdu/outlet%d/mw", i);
    mw = readNumber(path);
    printf("<tr><td>%d</td><td>%s</td><td>%ld.%ld W</td></tr>\n", i,
           on > 0 ? T("on") : T("off"), mw / 1000, mw / 100 % 10);
  }
  puts("</table>");
}

static void pageInlet(void)
{
  printf("<p>%s: %ld V</p><p>%s: %ld mA</p>\n",
         T("voltage"), readNumber("/run/pdu/inlet/volt"),
         T("current"), readNumber("/run/pdu/inlet/ma"));
}

static void pageSensors(void)
{
  static const char *const kind[] = { "temp", "hum", "door" };
  char path[64];
  size_t i;

  puts("<ul>");
  for (i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "/run/pdu/sensor/%s", kind[i]);
    printf("<li>%s: %ld</li>\n", T(kind[i]), readNumber(path));
  }
  puts("</ul>");
}

static void pageAbout(void)
{
  time_t t = time(NULL);

  printf("<p>PowerRack 8, 3.2.0</p><p>%s: %ld</p><p>%s: %s</p>\n",
         T("serial"), readNumber("/etc/pdu/serial"), T("time"), ctime(&t));
}

static const Page pages[] = {
  { "outlets", "Outlets", pageOutlets },
  { "inlet",   "Inlet",   pageInlet },
  { "sensors", "Sensors", pageSensors },
  { "about",   "About",   pageAbout },
};

static const Page *wantedPage(const char *query)
{
  size_t i;

  if (query && strncmp(query, "p=", 2) == 0) {
    query += 2;
    for (i = 0; i < sizeof pages / sizeof pages[0]; i++) {
      size_t n = strlen(pages[i].name);

      if (strncmp(query, pages[i].name, n) == 0 &&
          (query[n] == '\0' || query[n] == '&'))
        return &pages[i];
    }
  }
  return &pages[0];
}

static void menu(const Page *now)
{
  size_t i;

  puts("<nav>");
  for (i = 0; i < sizeof pages / sizeof pages[0]; i++)
    printf("<a href=\"page.cgi?p=%s\"%s>%s</a>\n", pages[i].name,
           &pages[i] == now ? " class=\"now\"" : "", T(pages[i].title));
  puts("</nav>");
}

static void accessLog(const Page *page)
{
  const char *who = getenv("REMOTE_ADDR");
  FILE *f = fopen("/tmp/page.log", "a");

  if (!f)
    return;
  fprintf(f, "%ld %s %s\n", (long)time(NULL), who ? who : "-", page->name);
  fclose(f);
}

int main(void)
{
  const char *cookies = getenv("HTTP_COOKIE");
  const Page *page = wantedPage(getenv("QUERY_STRING"));
  int dark;

  cookieLang = cookieValue(cookies, "lang");
  cookieTheme = cookieValue(cookies, "theme");
  dark = cookieTheme && strcmp(cookieTheme, "dark") == 0;
  loadTexts(page);

  printf("Content-Type: text/html; charset=utf-8\r\n\r\n");
  printf("<!doctype html><html><head><title>%s</title>"
         "<link rel=\"stylesheet\" href=\"/%s.css\"></head><body>\n",
         T(page->title), dark ? "dark" : "light");
  menu(page);
  page->emit();
  puts("</body></html>");
  accessLog(page);
  free(cookieLang);
  free(cookieTheme);
  return 0;
}
