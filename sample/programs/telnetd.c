/* A telnet daemon: -p PORT, -l SHELL gives that shell to anyone without asking. Sample firmware; faulty on purpose. */
#include <arpa/inet.h>
#include <crypt.h>
#include <netinet/in.h>
#include <pwd.h>
#include <shadow.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ask(int fd, const char *prompt, char *line, int size)
{
    int n;
    write(fd, prompt, strlen(prompt));
    n = recv(fd, line, size - 1, 0);
    if (n <= 0)
        return -1;
    line[n] = 0;
    line[strcspn(line, "\r\n")] = 0;
    return 0;
}

static void session(int fd, const char *shell)
{
    char user[32], password[64];
    struct passwd *account;
    const char *hash;

    if (shell) {
        dup2(fd, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        execl(shell, shell, (char *)0);
    }
    if (ask(fd, "camera login: ", user, sizeof user) || ask(fd, "Password: ", password, sizeof password))
        return;
    account = getpwnam(user);
    if (!account)
        return;
    hash = crypt(password, account->pw_passwd);
    if (!hash || strcmp(hash, account->pw_passwd))
        return;
    dup2(fd, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    execl("/bin/sh", "-sh", (char *)0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(23)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, option;
    const char *shell = 0;

    while ((option = getopt(argc, argv, "p:l:")) != -1) {
        if (option == 'p')
            here.sin_port = htons(atoi(optarg));
        else if (option == 'l')
            shell = optarg;
    }
    signal(SIGCHLD, SIG_IGN);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4))
        return 1;
    for (;;) {
        int fd = accept(listener, 0, 0);
        if (fd < 0)
            continue;
        if (fork() == 0) {
            session(fd, shell);
            _exit(0);
        }
        close(fd);
    }
}
