// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ramster-lender - holds the pages that peers have put into this node's memory.
 *
 * It has no privileges (sandbox.h) and no policy: ramsterd says over the side door who may connect and what is leased, owners write
 * and read their own extents over the data wire. The main thread accepts; each connection has a thread of its own.
 *
 * Locks, in the order in which they may be taken:
 *   owner.lock (owner.c)          one owner's token, connections and numbers
 *   the table's lock (extent.c)   ids, limit, changes of leases
 *   the gate's lock (gate.c)      turns; innermost
 *   the accounts' lock (account.c) bandwidth; innermost
 *   log_limit.lock (daemon/log.h)
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/lender/door.h"
#include "daemon/lender/extent.h"
#include "daemon/lender/gate.h"
#include "daemon/lender/keep.h"
#include "daemon/lender/listener.h"
#include "daemon/lender/memory.h"
#include "daemon/lender/owner.h"
#include "daemon/lender/sandbox.h"
#include "daemon/lender/self.h"
#include "daemon/log.h"

#define EXIT_USAGE 2
#define DOOR_PAUSE_MS 100

struct options {
	const char *listen;
	const char *socket;
	const char *group; /* NULL: to be found */
	const char *user; /* that root becomes; NULL: the default */
	uint64_t limit; /* bytes */
	bool keep;
	uint32_t node;
};

static const char usage[] =
	"Usage: ramster-lender --node N --listen ADDR:PORT --socket PATH [--limit BYTES] [--keep [--group DIRECTORY]]\n"
	"                      [--user NAME] [--debug]\n"
	"Holds the pages that peers have put into this node's memory.\n"
	"\n"
	"  --node N             number of this node in cluster.conf, 0 to 254\n"
	"  --listen ADDR:PORT   where owners connect; IPv6 in brackets; port 0: the system chooses\n"
	"  --socket PATH        where ramsterd connects\n"
	"  --limit BYTES        most to lend until ramsterd says otherwise; K, M, G and T may follow (default: 0)\n"
	"  --keep               keep what is lent when the lender is restarted\n"
	"  --group DIRECTORY    of the control group in which an OOM kill ends that (default: found)\n"
	"  --user NAME          when started by root: who to be then (default: " SANDBOX_USER ")\n"
	"  --debug              log every connection\n"
	"  --help               show this\n";

static bool parse_number(const char *text, uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *number <= most;
}

/* A number of bytes with an optional K, M, G or T. */
static bool parse_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (*end && (unit = strchr(units, *end))) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (text[0] < '0' || text[0] > '9' || *end || errno || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

static void usage_error(const char *what, const char *got)
{
	fprintf(stderr, "ramster-lender: %s%s%s; see ramster-lender --help\n", what, got ? ", not " : "",
		got ? got : "");
	exit(EXIT_USAGE);
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "node", required_argument, NULL, 'n' },   { "listen", required_argument, NULL, 'l' },
		{ "socket", required_argument, NULL, 's' }, { "limit", required_argument, NULL, 'm' },
		{ "keep", no_argument, NULL, 'k' },	    { "group", required_argument, NULL, 'g' },
		{ "user", required_argument, NULL, 'u' },   { "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },	    { NULL, 0, NULL, 0 }
	};
	bool have_node = false;
	uint64_t number;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			if (!parse_number(optarg, R2NET_MAX_NODES - 1, &number))
				usage_error("--node: expected a number from 0 to 254", optarg);
			options->node = number;
			have_node = true;
			break;
		case 'l':
			options->listen = optarg;
			break;
		case 's':
			options->socket = optarg;
			break;
		case 'm':
			if (!parse_bytes(optarg, &options->limit))
				usage_error("--limit: expected a number of bytes, as 512M", optarg);
			break;
		case 'k':
			options->keep = true;
			break;
		case 'g':
			options->group = optarg;
			break;
		case 'u':
			options->user = optarg;
			break;
		case 'd':
			log_set_level(LOG_DEBUG);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		usage_error("expected options only", argv[optind]);
	if (!have_node || !options->listen || !options->socket)
		usage_error("--node, --listen and --socket are needed", NULL);
}

/* Every peer may open R2NET_MAX_CONNS connections with two descriptors each. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Blocks the ending signals in all threads and returns a descriptor that tells them. */
static int signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int new_instance(uint64_t *instance)
{
	do {
		if (getrandom(instance, sizeof(*instance), 0) != sizeof(*instance))
			return -EIO;
	} while (!*instance);
	return 0;
}

/* Accepts until a signal says to end. */
static void serve(int signals, int listener, int door)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = listener, .events = POLLIN },
		{ .fd = door, .events = POLLIN },
	};
	int fd;

	for (;;) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents)
			return;
		if (fds[1].revents)
			listener_accept(listener);
		if (fds[2].revents) {
			fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				door_start(fd);
			else if (errno == EMFILE || errno == ENFILE)
				poll(NULL, 0, DOOR_PAUSE_MS); /* it waits in the backlog: do not spin on it */
		}
	}
}

/* How many CPUs this process may run on. */
static unsigned int own_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return sysconf(_SC_NPROCESSORS_ONLN); /* more than a set can have */
	return CPU_COUNT(&set);
}

/*
 * Makes the tables, with what an earlier lender left. The tables are locked in RAM, and extents, which must not be, are
 * mapped afterwards. Returns 0 or -errno.
 */
static int prepare(const struct options *options)
{
	const struct keep_options keep = { .wanted = options->keep, .group = options->group, .node = self.node };
	int err = new_instance(&self.instance);
	struct table *kept;

	if (!err)
		err = keep_start(&keep, &self.instance, &kept);
	if (err)
		return err;
	owner_init(kept);
	gate_init(own_cpus());
	err = extent_init(kept);
	if (err)
		return err;
	extent_set_limit(options->limit);
	memory_lock_process();
	extent_restore();
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int signals, listener, door, err;

	log_open("ramster-lender");
	parse_options(argc, argv, &options);
	self.node = options.node;
	if (!sandbox_find_user(options.user))
		return EXIT_FAILURE;
	signals = signals_open();
	if (signals < 0) {
		log_err("cannot start: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	listener = listener_open(options.listen, &self.port);
	if (listener < 0)
		return EXIT_FAILURE;
	door = door_open(options.socket);
	if (door < 0)
		return EXIT_FAILURE;
	err = prepare(&options);
	if (err) {
		log_err("cannot start: %s",
			err == -EBUSY ? "the lender before this one has not ended yet" : strerror(-err));
		return EXIT_FAILURE;
	}
	if (!sandbox_enter(FILTER_LENDER))
		return EXIT_FAILURE;
	log_info("node %u: owners connect to %s (port %u), ramsterd to %s", self.node, options.listen, self.port,
		 options.socket);
	serve(signals, listener, door);
	unlink(options.socket); /* not where only root may; then the next lender does */
	log_info("ended");
	return EXIT_SUCCESS;
}
