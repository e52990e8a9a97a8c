// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * redischeck.c - fills a redis server with more than its machine's memory holds, and verifies every value.
 *
 * The values are text, from a hundred bytes to 8 KiB, made from a seed. They are stored, read in the order in which they
 * were stored, and an eighth of them read at random; several commands are on the way at once. Exit status: 0 if all values
 * were right, 1 if any was wrong or missing, 2 for bad arguments, 3 if the server cannot be talked to.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "pages.h"

#define PIPELINE 16 /* commands on the way */
#define VALUE_MIN 100
#define VALUE_MAX (2 * PAGE_BYTES)
#define BUFFER_BYTES (64 << 10)

struct check {
	const char *socket;
	uint64_t seed;
	uint64_t bytes; /* of all values, at least */
	uint64_t values;
	uint64_t wrong;
	FILE *in, *out; /* of the connection */
};

struct value {
	uint64_t memory[VALUE_MAX / sizeof(uint64_t)];
	size_t len;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

__attribute__((noreturn, format(printf, 2, 3))) static void die(int status, const char *format, ...)
{
	va_list arguments;

	fputs("redischeck: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(status);
}

static size_t value_len(const struct check *c, uint64_t number)
{
	uint64_t state = c->seed + number;

	return VALUE_MIN + pages_random(&state) % (VALUE_MAX - VALUE_MIN + 1);
}

static void make_value(const struct check *c, uint64_t number, struct value *value)
{
	value->len = value_len(c, number);
	page_fill(value->memory, PAGE_TEXT, c->seed, 2 * number, 1);
	if (value->len > PAGE_BYTES)
		page_fill((char *)value->memory + PAGE_BYTES, PAGE_TEXT, c->seed, 2 * number + 1, 1);
}

static void connect_to_server(struct check *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(c->socket) >= sizeof(address.sun_path))
		die(2, "%s: the path is too long", c->socket);
	strcpy(address.sun_path, c->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die(3, "%s: %s", c->socket, strerror(errno));
	c->in = fdopen(fd, "rb");
	c->out = fdopen(dup(fd), "wb");
	if (!c->in || !c->out)
		die(3, "%s", strerror(errno));
	setvbuf(c->in, NULL, _IOFBF, BUFFER_BYTES);
	setvbuf(c->out, NULL, _IOFBF, BUFFER_BYTES);
}

static void send_key(struct check *c, uint64_t number)
{
	fprintf(c->out, "$14\r\nvalue:%08" PRIu64 "\r\n", number);
}

static void send_set(struct check *c, uint64_t number)
{
	struct value value;

	make_value(c, number, &value);
	fputs("*3\r\n$3\r\nSET\r\n", c->out);
	send_key(c, number);
	fprintf(c->out, "$%zu\r\n", value.len);
	fwrite(value.memory, 1, value.len, c->out);
	fputs("\r\n", c->out);
}

static void send_get(struct check *c, uint64_t number)
{
	fputs("*2\r\n$3\r\nGET\r\n", c->out);
	send_key(c, number);
}

static void send_done(struct check *c)
{
	if (fflush(c->out))
		die(3, "sending: %s", strerror(errno));
}

static void receive(struct check *c, void *to, size_t len)
{
	if (fread(to, 1, len, c->in) != len)
		die(3, "the server closed the connection");
}

/* One line of an answer, without its end. */
static void receive_line(struct check *c, char line[256])
{
	if (!fgets(line, 256, c->in))
		die(3, "the server closed the connection");
	line[strcspn(line, "\r\n")] = '\0';
}

static void receive_ok(struct check *c)
{
	char line[256];

	receive_line(c, line);
	if (strcmp(line, "+OK"))
		die(3, "SET was answered with: %s", line);
}

static void receive_value(struct check *c, uint64_t number)
{
	struct value right;
	char line[256], *got;
	long len;

	receive_line(c, line);
	if (line[0] != '$')
		die(3, "GET was answered with: %s", line);
	len = strtol(line + 1, NULL, 10);
	if (len < 0) {
		c->wrong++;
		fprintf(stderr, "redischeck: value %" PRIu64 " is missing\n", number);
		return;
	}
	got = malloc(len + 2);
	if (!got)
		die(3, "no memory for a value of %ld bytes", len);
	receive(c, got, len + 2);
	make_value(c, number, &right);
	if ((size_t)len != right.len || memcmp(got, right.memory, len)) {
		c->wrong++;
		fprintf(stderr, "redischeck: value %" PRIu64 " is wrong\n", number);
	}
	free(got);
}

static void report(const char *phase, uint64_t values, double seconds)
{
	printf("%s values=%" PRIu64 " seconds=%.3f us_per_value=%.1f\n", phase, values, seconds,
	       values ? seconds * 1e6 / values : 0);
	fflush(stdout);
}

static void store(struct check *c)
{
	double start = now();
	uint64_t bytes = 0;
	unsigned int under_way = 0;

	while (bytes < c->bytes) {
		bytes += value_len(c, c->values);
		send_set(c, c->values++);
		if (++under_way < PIPELINE && bytes < c->bytes)
			continue;
		send_done(c);
		for (; under_way; under_way--)
			receive_ok(c);
	}
	report("store", c->values, now() - start);
}

/* Verifies @count values: in order, or picked with @random. */
static void verify(struct check *c, const char *phase, uint64_t count, uint64_t *random)
{
	uint64_t numbers[PIPELINE], done = 0;
	unsigned int i, batch;
	double start = now();

	for (; done < count; done += batch) {
		batch = count - done < PIPELINE ? count - done : PIPELINE;
		for (i = 0; i < batch; i++) {
			numbers[i] = random ? pages_random(random) % c->values : done + i;
			send_get(c, numbers[i]);
		}
		send_done(c);
		for (i = 0; i < batch; i++)
			receive_value(c, numbers[i]);
	}
	report(phase, count, now() - start);
}

static uint64_t number_arg(const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text || value < min || value > max)
		die(2, "%s: expected a number from %" PRIu64 " to %" PRIu64, text, min, max);
	return value;
}

static void arguments(struct check *c, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "mib", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 'e' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "s:m:e:", options, NULL)) != -1) {
		switch (option) {
		case 's':
			c->socket = optarg;
			break;
		case 'm':
			c->bytes = number_arg(optarg, 1, 1 << 16) << 20;
			break;
		case 'e':
			c->seed = number_arg(optarg, 0, UINT64_MAX);
			break;
		default:
			exit(2);
		}
	}
	if (optind < argc || !c->socket || !c->bytes)
		die(2, "usage: redischeck --socket PATH --mib N [--seed N]");
}

int main(int argc, char **argv)
{
	struct check c = { .seed = 1 };
	uint64_t random;

	arguments(&c, argc, argv);
	connect_to_server(&c);
	store(&c);
	random = c.seed;
	verify(&c, "in_order", c.values, NULL);
	verify(&c, "at_random", c.values / 8, &random);
	printf("redischeck: %s values=%" PRIu64 " wrong=%" PRIu64 "\n", c.wrong ? "FAIL" : "PASS", c.values, c.wrong);
	return c.wrong ? 1 : 0;
}
