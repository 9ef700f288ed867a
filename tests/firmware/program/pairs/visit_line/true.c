/* Guest book of a hotspot: a visitor's name, room and remark are put into one line. Each is limited; together they are
 * longer than the line (benign: the line is long enough). The list of topics is appended one by one, as far as there is
 * room.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#ifdef BENIGN
#define LINE 256
#else
#define LINE 128
#endif

static int is_short(const char *text, size_t most)
{
    return strlen(text) <= most;
}

static void keep(const char *line)
{
    FILE *book = fopen("/var/lib/hotspot/book", "a");

    if (book) {
        fprintf(book, "%s\n", line);
        fclose(book);
    }
}

static void topics(char *text)
{
    char list[96] = "topics:";
    char *one;

    for (one = strtok(text, "+"); one; one = strtok(NULL, "+")) {
        if (strlen(list) + strlen(one) + 2 > sizeof list)
            break;
        strcat(list, " ");
        strcat(list, one);
    }
    keep(list);
}

static void visit(char *packet)
{
    char line[LINE];
    char *name = strtok(packet, ",");
    char *room = strtok(NULL, ",");
    char *remark = strtok(NULL, ",");

    if (!name || !room || !remark)
        return;
    if (!is_short(name, 60) || !is_short(room, 20) || !is_short(remark, 120))
        return;
    strcpy(line, name);
    strcat(line, " in ");
    strcat(line, room);
    strcat(line, ": ");
    strcat(line, remark);
    keep(line);
    topics(remark);
}

int main(void)
{
    static char packet[900];
    struct sockaddr_in here;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(9743);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        ssize_t size = recv(fd, packet, sizeof packet - 1, 0);

        if (size > 0) {
            packet[size] = 0;
            visit(packet);
        }
    }
}
