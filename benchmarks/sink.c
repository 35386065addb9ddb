/* A sink for letters that does not hide the client: one thread, one epoll, large reads, nothing kept but counts.
 *
 *     cc -O2 -o sink sink.c
 *     sink [-r MS] [-n] [-c SUFFIX] [-w MS] [-l LOG] -s COUNTS
 *
 *     -r MS      every reply leaves so much later than its command came: a round trip
 *     -n         hide CHUNKING
 *     -c SUFFIX  recipients that end in SUFFIX crawl: their answer comes only after the time of -w, and whatever stands
 *                behind it on that connection waits with it; other connections do not. May be given several times
 *     -w MS      how long (10,000)
 *     -l LOG     one line for each letter: recipient, tab, Message-ID
 *     -s COUNTS  a file of five 64-bit numbers that is always up to date: letters, bytes of content, connections,
 *                first letter, last letter (nanoseconds of CLOCK_MONOTONIC)
 *
 * It listens on a free port of 127.0.0.1, prints it as a line, and ends with SIGTERM. It speaks PIPELINING, CHUNKING,
 * 8BITMIME and SMTPUTF8, and believes whatever a client says: a sink, no server. Exit code 1: it could not start.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, LINE_BYTES = 4096, HEAD_BYTES = 8192, SUFFIXES = 16, EVENTS = 128, SPARE = 4 };
enum phase { COMMANDS, CONTENT, CHUNK };

struct counts { uint64_t letters, bytes, connections, first_ns, last_ns; };

/* A reply that has to wait for its time. */
struct reply { uint64_t due_ns; const char *words; };

struct connection {
    struct connection *before, *after;
    int socket;
    enum phase phase;
    int mail, recipients, leaving, last_chunk;
    size_t chunk_left;
    char line[LINE_BYTES];
    size_t line_bytes;
    char tail[SPARE]; /* the last bytes of content, where the dot that ends it may have begun */
    size_t tail_bytes;
    struct reply *waiting;
    size_t waiting_first, waiting_count, waiting_room;
    char out[16384];
    size_t out_bytes;
    char recipient[512];
    char head[HEAD_BYTES]; /* the beginning of a letter, kept only where it is logged */
    size_t head_bytes;
};

static const char TERMINATOR[] = "\r\n.\r\n";
static struct connection *connections;
static struct counts *counts;
static FILE *letter_log;
static uint64_t round_trip_ns, crawl_ns = 10000000000u;
static const char *crawling[SUFFIXES];
static int crawling_count, chunking = 1;
static volatile sig_atomic_t ended;
static char space[SPARE + READ_BYTES];

static void end(int number) { (void)number; ended = 1; }

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

static void put(struct connection *c, const char *words) {
    size_t bytes = strlen(words);
    if (c->out_bytes + bytes > sizeof c->out) { c->leaving = 1; return; } /* it does not read what it is told */
    memcpy(c->out + c->out_bytes, words, bytes);
    c->out_bytes += bytes;
}

/* Say something when its time has come: never before what was said before it. */
static void say(struct connection *c, const char *words, uint64_t later_ns) {
    if (!round_trip_ns && !later_ns && !c->waiting_count) { put(c, words); return; }
    uint64_t due = clock_ns() + round_trip_ns + later_ns;
    if (c->waiting_count) {
        uint64_t latest = c->waiting[c->waiting_first + c->waiting_count - 1].due_ns;
        if (latest > due) due = latest;
    }
    if (c->waiting_first + c->waiting_count == c->waiting_room) {
        if (c->waiting_first) {
            memmove(c->waiting, c->waiting + c->waiting_first, c->waiting_count * sizeof *c->waiting);
            c->waiting_first = 0;
        } else {
            c->waiting_room = c->waiting_room ? 2 * c->waiting_room : 32;
            c->waiting = realloc(c->waiting, c->waiting_room * sizeof *c->waiting);
            if (!c->waiting) fail("memory");
        }
    }
    c->waiting[c->waiting_first + c->waiting_count++] = (struct reply){due, words};
}

static void ripen(struct connection *c, uint64_t now) {
    while (c->waiting_count && c->waiting[c->waiting_first].due_ns <= now && c->out_bytes < sizeof c->out / 2) {
        put(c, c->waiting[c->waiting_first].words);
        c->waiting_first++;
        if (!--c->waiting_count) c->waiting_first = 0;
    }
}

/* Write what may leave; 0 where the connection is of no use any more. */
static int flush(struct connection *c) {
    if (c->out_bytes) {
        ssize_t done = write(c->socket, c->out, c->out_bytes);
        if (done < 0) return errno == EAGAIN;
        memmove(c->out, c->out + done, c->out_bytes - (size_t)done);
        c->out_bytes -= (size_t)done;
    }
    return !(c->leaving && !c->out_bytes && !c->waiting_count);
}

/* ---- letters ---------------------------------------------------------------------------------------------------- */

static void begin_content(struct connection *c, enum phase phase) {
    if (c->phase == COMMANDS && phase == CONTENT) {
        memcpy(c->tail, "\r\n", 2); /* a dot at once ends an empty letter */
        c->tail_bytes = 2;
    }
    c->phase = phase;
}

static void content(struct connection *c, const char *from, size_t bytes) {
    counts->bytes += bytes;
    if (letter_log && c->head_bytes < sizeof c->head) {
        size_t room = sizeof c->head - c->head_bytes, kept = bytes < room ? bytes : room;
        memcpy(c->head + c->head_bytes, from, kept);
        c->head_bytes += kept;
    }
}

static void log_letter(struct connection *c) {
    static const char FIELD[] = "\nMessage-ID:";
    const char *found = "", *at = c->head, *stop = c->head + c->head_bytes;
    int length = 0;
    const char *blank = memmem(c->head, c->head_bytes, "\r\n\r\n", 4);
    if (blank) stop = blank + 2;
    for (; at + sizeof FIELD - 1 < stop; at++) {
        if (strncasecmp(at, FIELD, sizeof FIELD - 1)) continue;
        found = at + sizeof FIELD - 1;
        while (found < stop && *found == ' ') found++;
        while (found + length < stop && found[length] != '\r') length++;
        break;
    }
    fprintf(letter_log, "%s\t%.*s\n", c->recipient, length, found);
}

static void take_letter(struct connection *c) {
    c->phase = COMMANDS;
    if (!c->recipients) {
        say(c, "554 5.5.1 No valid recipients\r\n", 0);
    } else {
        uint64_t now = clock_ns();
        if (!counts->letters) counts->first_ns = now;
        counts->last_ns = now;
        counts->letters++;
        if (letter_log) log_letter(c);
        say(c, "250 2.0.0 Taken\r\n", 0);
    }
    c->mail = c->recipients = 0;
    c->head_bytes = 0;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static int is(const char *line, const char *verb) { return !strncasecmp(line, verb, strlen(verb)); }

static int ends_in(const char *text, const char *suffix) {
    size_t bytes = strlen(text), wanted = strlen(suffix);
    return bytes >= wanted && !strcasecmp(text + bytes - wanted, suffix);
}

static void recipient(struct connection *c, const char *line) {
    if (!c->mail) { say(c, "503 5.5.1 MAIL first\r\n", 0); return; }
    const char *from = strchr(line, '<'), *to = from ? strchr(from, '>') : NULL;
    if (!to) { say(c, "501 5.5.4 RCPT TO:<address>\r\n", 0); return; }
    snprintf(c->recipient, sizeof c->recipient, "%.*s", (int)(to - from - 1), from + 1);
    c->recipients++;
    uint64_t later = 0;
    for (int n = 0; n < crawling_count; n++)
        if (ends_in(c->recipient, crawling[n])) later = crawl_ns;
    say(c, "250 2.1.5 Ok\r\n", later);
}

static void command(struct connection *c, char *line) {
    if (is(line, "MAIL FROM:")) {
        if (c->mail) { say(c, "503 5.5.1 One at a time\r\n", 0); return; }
        c->mail = 1;
        say(c, "250 2.1.0 Ok\r\n", 0);
    } else if (is(line, "RCPT TO:")) {
        recipient(c, line);
    } else if (is(line, "DATA")) {
        if (!c->recipients) { say(c, "554 5.5.1 No valid recipients\r\n", 0); return; }
        say(c, "354 Go ahead\r\n", 0);
        begin_content(c, CONTENT);
    } else if (chunking && is(line, "BDAT ")) {
        char *rest;
        c->chunk_left = strtoul(line + 5, &rest, 10);
        c->last_chunk = strcasestr(rest, "LAST") != NULL;
        begin_content(c, CHUNK);
    } else if (is(line, "EHLO")) {
        say(c, chunking ? "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
                        : "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n", 0);
    } else if (is(line, "HELO")) {
        say(c, "250 sink\r\n", 0);
    } else if (is(line, "RSET")) {
        c->mail = c->recipients = 0;
        say(c, "250 2.0.0 Ok\r\n", 0);
    } else if (is(line, "NOOP")) {
        say(c, "250 2.0.0 Ok\r\n", 0);
    } else if (is(line, "QUIT")) {
        say(c, "221 2.0.0 Bye\r\n", 0);
        c->leaving = 1;
    } else {
        say(c, "500 5.5.2 What?\r\n", 0);
    }
}

/* Read up to the end of a line; returns how much of it was used. */
static size_t hear_line(struct connection *c, const char *from, size_t bytes) {
    const char *stop = memchr(from, '\n', bytes);
    size_t used = stop ? (size_t)(stop - from) + 1 : bytes;
    size_t room = sizeof c->line - 1 - c->line_bytes, kept = used < room ? used : room;
    memcpy(c->line + c->line_bytes, from, kept);
    c->line_bytes += kept;
    if (stop) {
        while (c->line_bytes && (c->line[c->line_bytes - 1] == '\n' || c->line[c->line_bytes - 1] == '\r'))
            c->line_bytes--;
        c->line[c->line_bytes] = 0;
        c->line_bytes = 0;
        command(c, c->line);
    }
    return used;
}

/* Read content up to the dot. What stands before `from` is spare or was read already, so the tail may be put there. */
static size_t hear_content(struct connection *c, char *from, size_t bytes) {
    char *begin = from - c->tail_bytes;
    memcpy(begin, c->tail, c->tail_bytes);
    size_t whole = c->tail_bytes + bytes;
    char *dot = memmem(begin, whole, TERMINATOR, sizeof TERMINATOR - 1);
    if (dot) {
        size_t used = (size_t)(dot + sizeof TERMINATOR - 1 - from);
        content(c, from, used);
        c->tail_bytes = 0;
        take_letter(c);
        return used;
    }
    content(c, from, bytes);
    c->tail_bytes = whole < SPARE ? whole : SPARE;
    memmove(c->tail, begin + whole - c->tail_bytes, c->tail_bytes);
    return bytes;
}

static size_t hear_chunk(struct connection *c, const char *from, size_t bytes) {
    size_t used = bytes < c->chunk_left ? bytes : c->chunk_left;
    content(c, from, used);
    c->chunk_left -= used;
    if (!c->chunk_left) {
        c->phase = COMMANDS;
        if (c->last_chunk) take_letter(c);
        else say(c, "250 2.0.0 Ok\r\n", 0);
    }
    return used;
}

static void hear(struct connection *c, char *from, size_t bytes) {
    while (!c->leaving && (bytes || (c->phase == CHUNK && !c->chunk_left))) {
        size_t used = c->phase == COMMANDS  ? hear_line(c, from, bytes)
                      : c->phase == CONTENT ? hear_content(c, from, bytes)
                                            : hear_chunk(c, from, bytes);
        from += used;
        bytes -= used;
    }
}

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void meet(int door, int poll) {
    for (int one = 1;;) {
        int socket = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) fail("memory");
        c->socket = socket;
        c->after = connections;
        if (connections) connections->before = c;
        connections = c;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
        counts->connections++;
        say(c, "220 sink ESMTP\r\n", 0);
        flush(c);
    }
}

static void part(struct connection *c) {
    close(c->socket);
    if (c->before) c->before->after = c->after;
    else connections = c->after;
    if (c->after) c->after->before = c->before;
    free(c->waiting);
    free(c);
}

/* The time until the next reply is due, half a second at most; a millisecond where one could not be written whole. */
static struct timespec patience(void) {
    uint64_t wait = 500000000u, now = clock_ns();
    for (struct connection *c = connections; c; c = c->after) {
        if (c->out_bytes && wait > 1000000u) wait = 1000000u;
        if (!c->waiting_count) continue;
        uint64_t due = c->waiting[c->waiting_first].due_ns, left = due > now ? due - now : 0;
        if (left < wait) wait = left;
    }
    return (struct timespec){0, (long)wait};
}

static void serve(int door) {
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, door, &event);
    while (!ended) {
        struct timespec wait = patience();
        int count = epoll_pwait2(poll, events, EVENTS, &wait, NULL);
        for (int n = 0; n < count; n++) {
            struct connection *c = events[n].data.ptr;
            if (!c) { meet(door, poll); continue; }
            ssize_t bytes = read(c->socket, space + SPARE, READ_BYTES);
            if (bytes < 0 && errno == EAGAIN) continue;
            if (bytes <= 0) { part(c); continue; }
            hear(c, space + SPARE, (size_t)bytes);
            if (!flush(c)) part(c);
        }
        uint64_t now = clock_ns();
        for (struct connection *c = connections, *next; c; c = next) {
            next = c->after;
            if (!c->waiting_count && !c->out_bytes) continue;
            ripen(c, now);
            if (!flush(c)) part(c);
        }
    }
    close(poll);
}

static int open_door(void) {
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    if (bind(door, (struct sockaddr *)&here, sizeof here) || listen(door, 512)) fail("listening");
    if (getsockname(door, (struct sockaddr *)&here, &size)) fail("listening");
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    return door;
}

static void open_counts(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *counts)) fail(path);
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED) fail(path);
    close(file);
}

int main(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "r:nc:w:l:s:")) != -1;) {
        switch (option) {
        case 'r': round_trip_ns = (uint64_t)(atof(optarg) * 1e6); break;
        case 'n': chunking = 0; break;
        case 'c': if (crawling_count < SUFFIXES) crawling[crawling_count++] = optarg; break;
        case 'w': crawl_ns = (uint64_t)(atof(optarg) * 1e6); break;
        case 'l': if (!(letter_log = fopen(optarg, "a"))) fail(optarg); break;
        case 's': open_counts(optarg); break;
        default: return 1;
        }
    }
    if (!counts) { fprintf(stderr, "sink: -s COUNTS is missing\n"); return 1; }
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    serve(open_door());
    if (letter_log) fclose(letter_log);
    return 0;
}
