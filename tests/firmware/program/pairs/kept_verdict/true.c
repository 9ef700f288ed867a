/* A time server and peers to synchronise with, set by datagrams. Whether a name was found to be one is kept beside it,
 * in a bit and in a field, and asked before the name is used. A second way to name the server leaves the bit as it was
 * (benign: it writes the comment).
 */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SERVER_OK 4u

enum state { FRESH, READY, REFUSED };

struct peer {
    struct peer *next;
    enum state state;
    char address[48];
};

static struct {
    unsigned flags;
    char comment[40];
    char server[64];
} settings;

static struct peer *peers;

static int is_name(const char *text)
{
    size_t length = 0;

    for (; text[length]; length++)
        if (!isalnum((unsigned char)text[length]) && text[length] != '.' && text[length] != '-')
            return 0;
    return length > 0 && length < 60;
}

static void set_server(const char *name)
{
    settings.flags &= ~SERVER_OK;
    snprintf(settings.server, sizeof settings.server, "%.63s", name);
    if (is_name(settings.server))
        settings.flags |= SERVER_OK;
}

static void import_line(const char *line)
{
#ifdef BENIGN
    snprintf(settings.comment, sizeof settings.comment, "%.39s", line);
#else
    snprintf(settings.server, sizeof settings.server, "%.63s", line);
#endif
    settings.flags |= 1;
}

static void add_peer(const char *address)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (!peer)
        return;
    snprintf(peer->address, sizeof peer->address, "%.47s", address);
    peer->state = is_name(peer->address) ? READY : REFUSED;
    peer->next = peers;
    peers = peer;
}

static void synchronise(void)
{
    char command[160];
    const struct peer *peer;

    if (settings.flags & SERVER_OK) {
        snprintf(command, sizeof command, "ntpdate -u %s", settings.server);
        system(command);
    }
    for (peer = peers; peer; peer = peer->next) {
        if (peer->state != READY)
            continue;
        snprintf(command, sizeof command, "rsync -a /var/log/ %s::log", peer->address);
        system(command);
    }
}

int main(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(9383)};
    int handle = socket(AF_INET, SOCK_DGRAM, 0);
    char packet[256];
    ssize_t length;

    if (handle < 0 || bind(handle, (struct sockaddr *)&here, sizeof here) < 0)
        return 1;
    for (;;) {
        length = recv(handle, packet, sizeof packet - 1, 0);
        if (length <= 0)
            continue;
        packet[length] = 0;
        if (packet[0] == 'S')
            set_server(packet + 1);
        else if (packet[0] == 'I')
            import_line(packet + 1);
        else if (packet[0] == 'P')
            add_peer(packet + 1);
        else
            synchronise();
    }
}
