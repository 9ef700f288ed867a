/*
  GateKeeper web - opens the barrier of a company car park.
  HTTP/1.0, basic authentication, a handful of pages.
*/

#include <stdio.h>
#include <stdlib.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <ctype.h>
#include <time.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>

#define HTTP_PORT   8181
#define CRED_SIZE   32
#define REQ_SIZE    2048
#define MAX_USERS   8

struct login
{
    char user[CRED_SIZE];
    char pass[CRED_SIZE];
    int  level;
};

struct connection
{
    int         fd;
    char        req[REQ_SIZE];
    size_t      len;
    char       *path;
    char       *query;
    const char *peer;
    int         level;
};

static struct login users[MAX_USERS] =
{
    { "porter", "barrier", 1 },
    { "admin",  "gatekeeper", 2 },
};

static struct
{
    int    open;
    time_t closeAt;
    long   passages;
    int    holdSeconds;
} gate = { 0, 0, 0, 8 };

static void trace( const char* fmt, ... )
{
    va_list args;
    time_t now = time( NULL );
    char stamp[20];

    strftime( stamp, sizeof( stamp ), "%d.%m. %H:%M:%S", localtime( &now ) );
    printf( "%s  ", stamp );
    va_start( args, fmt );
    vprintf( fmt, args );
    va_end( args );
    putchar( '\n' );
    fflush( stdout );
}

/* ---------------------------------------------------------------- */

static int sextet( int c )
{
    if ( c >= 'A' && c <= 'Z' ) return c - 'A';
    if ( c >= 'a' && c <= 'z' ) return c - 'a' + 26;
    if ( c >= '0' && c <= '9' ) return c - '0' + 52;
    if ( c == '+' ) return 62;
    if ( c == '/' ) return 63;
    return -1;
}

static int unBase64( const char* in, char* out, size_t cap )
{
    unsigned long acc = 0;
    int bits = 0;
    size_t n = 0;

    for ( ; sextet( (unsigned char)*in ) >= 0; in++ )
    {
        acc = ( acc << 6 | (unsigned long)sextet( (unsigned char)*in ) ) & 0xffffff;
        bits += 6;
        if ( bits >= 8 )
        {
            bits -= 8;
            if ( n + 1 >= cap )
                return -1;
            out[n++] = (char)( acc >> bits & 0xff );
        }
    }
    out[n] = '\0';
    return (int)n;
}

/* finds a header line, returns its value (ends with CR or LF) */
static char* header( char* req, const char* name )
{
    size_t l = strlen( name );
    char* p = req;

    while ( ( p = strchr( p, '\n' ) ) != NULL )
    {
        p++;
        if ( strncasecmp( p, name, l ) == 0 && p[l] == ':' )
        {
            p += l + 1;
            while ( *p == ' ' )
                p++;
            return p;
        }
    }
    return NULL;
}

/* the schemes: each returns the level of the user or 0 */
static int authBasic( const struct connection* c, const char* credentials )
{
    static char plain[512];
    struct login given;
    char* colon;
    int i;

    if ( unBase64( credentials, plain, sizeof( plain ) ) < 0 )
        return 0;
    colon = strchr( plain, ':' );
    if ( colon == NULL )
        return 0;
    *colon++ = '\0';

    if ( strlen( plain ) >= sizeof( given.user ) ||
         strlen( colon ) >= sizeof( given.pass ) )
    {
        trace( "%s: credentials too long", c->peer );
    }
    strcpy( given.user, plain );
    strcpy( given.pass, colon );
    for ( i = 0; i < MAX_USERS; i++ )
        if ( users[i].level && strcmp( users[i].user, given.user ) == 0
             && strcmp( users[i].pass, given.pass ) == 0 )
            return users[i].level;
    trace( "%s: login of '%s' failed", c->peer, given.user );
    sleep( 1 );
    return 0;
}

/* the keypad at the gate logs in with the token of today */
static int authKeypad( const struct connection* c, const char* credentials )
{
    char* end;
    unsigned long day = strtoul( credentials, &end, 16 );

    if ( end == credentials || day != ( (unsigned long)( time( NULL ) / 86400 ) ^ 0x5e11UL ) )
    {
        trace( "%s: stale token", c->peer );
        return 0;
    }
    return 1;
}

static const struct
{
    const char* scheme;
    int         ( *check )( const struct connection*, const char* );
}
schemes[] =
{
    { "Basic ",  authBasic  },
    { "Keypad ", authKeypad },
};

static int authenticate( struct connection* c )
{
    const char* h = header( c->req, "Authorization" );
    unsigned i;

    for ( i = 0; h != NULL && i < sizeof( schemes ) / sizeof( schemes[0] ); i++ )
    {
        size_t l = strlen( schemes[i].scheme );
        if ( strncasecmp( h, schemes[i].scheme, l ) == 0 )
            return schemes[i].check( c, h + l );
    }
    return 0;
}

/* ---------------------------------------------------------------- */

static void page( struct connection* c, const char* status, const char* extra, const char* fmt, ... )
{
    char body[512], head[256];
    va_list args;

    va_start( args, fmt );
    vsnprintf( body, sizeof( body ), fmt, args );
    va_end( args );
    snprintf( head, sizeof( head ),
              "HTTP/1.0 %s\r\n%sContent-Type: text/html\r\nContent-Length: %u\r\n\r\n",
              status, extra, (unsigned)strlen( body ) );
    send( c->fd, head, strlen( head ), MSG_NOSIGNAL );
    send( c->fd, body, strlen( body ), MSG_NOSIGNAL );
}

static int queryNumber( const struct connection* c, const char* name, int fallback )
{
    const char* p = c->query;
    size_t l = strlen( name );

    while ( p != NULL && *p )
    {
        if ( strncmp( p, name, l ) == 0 && p[l] == '=' )
            return atoi( p + l + 1 );
        p = strchr( p, '&' );
        if ( p != NULL )
            p++;
    }
    return fallback;
}

static void pageHome( struct connection* c )
{
    page( c, "200 OK", "", "<h1>Barrier</h1><p>%s, %ld passages</p>",
          gate.open ? "open" : "closed", gate.passages );
}

static void pageOpen( struct connection* c )
{
    int hold = queryNumber( c, "hold", gate.holdSeconds );

    if ( hold < 2 || hold > 120 )
        hold = gate.holdSeconds;
    gate.open = 1;
    gate.closeAt = time( NULL ) + hold;
    gate.passages++;
    trace( "%s: barrier opened for %d s", c->peer, hold );
    page( c, "200 OK", "", "<p>open for %d s</p>", hold );
}

static void pageSetup( struct connection* c )
{
    int hold = queryNumber( c, "default", -1 );

    if ( hold >= 2 && hold <= 60 )
        gate.holdSeconds = hold;
    page( c, "200 OK", "", "<p>default %d s</p>", gate.holdSeconds );
}

static const struct
{
    const char* path;
    int         level;
    void        ( *show )( struct connection* );
}
pages[] =
{
    { "/",      1, pageHome  },
    { "/open",  1, pageOpen  },
    { "/setup", 2, pageSetup },
};

static void serve( struct connection* c )
{
    char *end;
    unsigned i;

    for ( ;; )
    {
        ssize_t n = recv( c->fd, c->req + c->len, sizeof( c->req ) - 1 - c->len, 0 );
        if ( n <= 0 )
            return;
        c->len += (size_t)n;
        c->req[c->len] = '\0';
        if ( strstr( c->req, "\r\n\r\n" ) != NULL )
            break;
        if ( c->len + 1 >= sizeof( c->req ) )
            return;
    }
    c->level = authenticate( c );
    if ( c->level == 0 )
    {
        page( c, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"gate\"\r\n", "login" );
        return;
    }
    if ( strncmp( c->req, "GET /", 5 ) != 0 )
    {
        page( c, "405 Method Not Allowed", "", "method" );
        return;
    }
    c->path = c->req + 4;
    end = c->path + strcspn( c->path, " \r\n" );
    *end = '\0';
    c->query = strchr( c->path, '?' );
    if ( c->query != NULL )
        *c->query++ = '\0';
    for ( i = 0; i < sizeof( pages ) / sizeof( pages[0] ); i++ )
        if ( strcmp( pages[i].path, c->path ) == 0 && c->level >= pages[i].level )
        {
            pages[i].show( c );
            return;
        }
    page( c, "404 Not Found", "", "no such page" );
}

static void timers( void )
{
    if ( gate.open && time( NULL ) >= gate.closeAt )
    {
        gate.open = 0;
        trace( "barrier closed" );
    }
}

int main( void )
{
    static struct connection con;
    struct sockaddr_in addr;
    socklen_t alen;
    int ls, on = 1;

    signal( SIGPIPE, SIG_IGN );
    ls = socket( AF_INET, SOCK_STREAM, 0 );
    setsockopt( ls, SOL_SOCKET, SO_REUSEADDR, &on, sizeof( on ) );
    memset( &addr, 0, sizeof( addr ) );
    addr.sin_family = AF_INET;
    addr.sin_port = htons( HTTP_PORT );
    if ( bind( ls, (struct sockaddr*)&addr, sizeof( addr ) ) != 0 || listen( ls, 4 ) != 0 )
    {
        trace( "port %d: %s", HTTP_PORT, strerror( errno ) );
        return 1;
    }
    for ( ;; )
    {
        fd_set set;
        struct timeval tv = { 1, 0 };

        FD_ZERO( &set );
        FD_SET( ls, &set );
        if ( select( ls + 1, &set, NULL, NULL, &tv ) > 0 )
        {
            struct timeval limit = { 5, 0 };

            memset( &con, 0, sizeof( con ) );
            alen = sizeof( addr );
            con.fd = accept( ls, (struct sockaddr*)&addr, &alen );
            if ( con.fd >= 0 )
            {
                con.peer = inet_ntoa( addr.sin_addr );
                setsockopt( con.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof( limit ) );
                serve( &con );
                close( con.fd );
            }
        }
        timers();
    }
}
