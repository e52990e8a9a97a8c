// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ramsterd - decides who is a member, how much to lend, from whom to borrow.
 *
 * It holds nothing that would be lost with it: pages are the module's, lent memory is the lender's, and both are asked
 * at start. One thread, one loop; a tick each second does what is due, and events only make it come sooner.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/access.h"
#include "daemon/configfs.h"
#include "daemon/donor.h"
#include "daemon/lend.h"
#include "daemon/lent_group.h"
#include "daemon/listener.h"
#include "daemon/log.h"
#include "daemon/membership.h"
#include "daemon/peer.h"
#include "daemon/privilege.h"
#include "daemon/ramsterd.h"
#include "daemon/release.h"
#include "daemon/reload.h"
#include "daemon/reserve.h"
#include "daemon/owners.h"
#include "daemon/revoke.h"
#include "daemon/tool.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

#define EXIT_USAGE 2 /* also: a cluster.conf that cannot be used */
#define TICK_MS 1000
#define SOON_MS 10
#define RUN_DIR "/run/ramster"
#define LENDER_GROUP "ramster-lender"
#define DRAIN_NAME "draining"

struct options {
	const char *conf;
	const char *node;
	const char *lender;
	const char *socket;
	const char *group; /* NULL: the default */
	bool check;
	bool lender_options;
	bool release;
};

static const char usage[] = "Usage: ramsterd [options]\n"
			    "       ramsterd --check FILE\n"
			    "       ramsterd --lender-options [options]\n"
			    "       ramsterd --release\n"
			    "Shares the memory of this node with its cluster: see ramsterd(8).\n"
			    "\n"
			    "  -c, --config FILE    the cluster's configuration (default: " CONF_PATH ")\n"
			    "  --check FILE         only say whether FILE is a good configuration\n"
			    "  --lender-options     print what ramster-lender is to be started with here\n"
			    "  --release            make the module forget all nodes, so that it can be unloaded\n"
			    "  --node NAME          which of its nodes this is (default: the host's name)\n"
			    "  --lender PATH        where ramster-lender listens (default: " SIDEDOOR_PATH ")\n"
			    "  --socket PATH        where `ramster` asks (default: " TOOL_PATH ")\n"
			    "  --group NAME         whose members may look by `ramster` (default: " ACCESS_GROUP ")\n"
			    "  --debug              log more\n"
			    "  --help               show this\n";

/* ---- Shared by the parts ---- */

struct sockaddr_in ramsterd_address(const struct conf_node *node)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(node->port) };

	inet_pton(AF_INET, node->address, &address.sin_addr);
	return address;
}

const struct transport_ops *ramsterd_transport(const struct ramsterd *d)
{
	return d->auth ? &transport_tls : &transport_tcp;
}

void ramsterd_random(void *bytes, size_t len)
{
	if (getrandom(bytes, len, 0) == (ssize_t)len)
		return;
	log_err("the system gives no random numbers: %s", strerror(errno));
	abort();
}

/* The module came, went, or was loaded anew. */
static void module_changed(struct ramsterd *d)
{
	lease_restart(d);
	if (d->view.instance) {
		log_info("module ramster found, instance %016llx", (unsigned long long)d->view.instance);
		reserve_raise();
		configfs_fill(d->conf, d->self);
		d->refused_setting = configfs_set_parameters(d->conf);
	} else {
		log_warn("module ramster is gone: this node only lends");
	}
	peer_advertise_all(d);
}

void ramsterd_read_kernel(struct ramsterd *d)
{
	uint64_t before = d->view.instance;
	int ret = kernel_view_read(d->kernel, &d->view);

	if (ret && ret != -ENOENT && ret != d->kernel_error)
		log_err("the module does not answer: %s", strerror(-ret));
	d->kernel_error = ret;
	if (d->view.instance != before)
		module_changed(d);
}

static void on_tick(uv_timer_t *timer)
{
	struct ramsterd *d = timer->data;

	d->soon = false;
	ramsterd_read_kernel(d);
	lent_group_tick(d);
	lend_tick(d);
	donor_tick(d->donor);
	owners_tick(d->owners);
	d->membership->tick(d);
	peer_advertise_all(d);
	lease_tick(d);
	repatriate_tick(d);
	watch_tick(d);
}

bool ramsterd_second(const struct ramsterd *d, uint64_t *at_ms)
{
	uint64_t now = uv_now(d->loop);

	if (*at_ms && now - *at_ms < TICK_MS)
		return false;
	*at_ms = now;
	return true;
}

void ramsterd_tick_soon(struct ramsterd *d)
{
	if (d->soon)
		return;
	d->soon = true;
	uv_timer_start(&d->tick, on_tick, SOON_MS, TICK_MS);
}

/* ---- Events of the module and of the lender ---- */

static void on_need(void *ctx)
{
	ramsterd_tick_soon(ctx);
}

static const char *node_name(const struct ramsterd *d, uint32_t number)
{
	const struct conf_node *node = conf_node_by_number(d->conf, number);

	return node ? node->name : "a node no longer configured";
}

/* A donor can have connections fail, and leases end, as often as it likes. */
static struct log_limit data_limit = LOG_LIMIT(50, 2000);

static void on_conn_down(void *ctx, uint32_t node, uint32_t conn)
{
	log_limited(&data_limit, LOG_WARNING, "%s: data connection %u failed", node_name(ctx, node), conn);
	ramsterd_tick_soon(ctx);
}

static void on_peer_state(void *ctx, uint32_t node, uint32_t state)
{
	static const char *const names[] = { "down", "up", "late", "dead" };

	log_limited(&data_limit, LOG_INFO, "%s: its lender is %s", node_name(ctx, node),
		    state <= RAMSTER_PEER_DEAD ? names[state] : "unknown");
	ramsterd_tick_soon(ctx);
}

static void on_lost(void *ctx, uint32_t node, uint64_t pages)
{
	log_limited(&data_limit, LOG_ERR, "%s: %llu pages were lost with it", node_name(ctx, node),
		    (unsigned long long)pages);
}

static void on_vacated(void *ctx)
{
	ramsterd_tick_soon(ctx);
}

static const struct kernel_events kernel_events = {
	.need = on_need,
	.conn_down = on_conn_down,
	.peer = on_peer_state,
	.lost = on_lost,
	.vacated = on_vacated,
};

static void on_lender_opened(void *ctx)
{
	struct ramsterd *d = ctx;

	lend_lender_came(d);
	donor_lender_came(d->donor);
	owners_lender_came(d->owners);
	ramsterd_tick_soon(d);
}

static void on_lender_changed(void *ctx)
{
	peer_advertise_all(ctx);
}

static const struct sidedoor_events door_events = {
	.opened = on_lender_opened,
	.closed = on_lender_changed,
	.changed = on_lender_changed,
};

/* ---- Start and end ---- */

static void on_signal(uv_signal_t *handle, int signum)
{
	struct ramsterd *d = handle->data;

	if (signum == SIGHUP)
		reload(d, d->conf_path);
	else
		uv_stop(d->loop);
}

/* Tells the service manager that the node is served. */
static void notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&address,
			     offsetof(struct sockaddr_un, sun_path) + strlen(path)) < 0)
		log_warn("the service manager cannot be told: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* We are part of how this node frees memory: we must never wait for it. */
static void protect(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (geteuid()) {
		log_info("not root: memory is not locked, and no module can be served");
		return;
	}
	/* Under a limit what is allocated later could not be had at all: the capability that would help is given up. */
	if (setrlimit(RLIMIT_MEMLOCK, &all) || mlockall(MCL_CURRENT | MCL_FUTURE))
		log_warn("memory cannot be locked: %s (under memory pressure ramsterd may be slow)", strerror(errno));
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		log_info("cannot be an I/O flusher: %s", strerror(errno));
}

/*
 * Gives up what is not needed any more, before there is a second thread. The module asks for CAP_NET_ADMIN. All else is root's
 * own files, and the lender's socket, which is its group's. Returns 0 or -errno.
 */
static int give_up_privileges(const char *group)
{
	const char *const groups[] = { group ? group : ACCESS_GROUP, LENDER_GROUP };
	const uint64_t keep = PRIVILEGE_CAP(CAP_NET_ADMIN);
	int err = geteuid() ? 0 : privilege_groups(groups, 2);

	if (!err)
		err = privilege_bound(keep);
	if (!err)
		err = privilege_keep(keep);
	if (err)
		log_err("privileges cannot be given up: %s", strerror(-err));
	return err;
}

/* Beside the socket, so that each of several daemons of a machine has its own. */
static void set_drain_path(struct ramsterd *d, const char *socket)
{
	const char *slash = strrchr(socket, '/');

	snprintf(d->drain_path, sizeof(d->drain_path), "%.*s%s", slash ? (int)(slash - socket + 1) : 0, socket,
		 DRAIN_NAME);
}

static int start(struct ramsterd *d, const struct options *options)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	d->started_ms = uv_now(d->loop);
	set_drain_path(d, options->socket);
	d->membership = membership_by_name(d->conf->membership);
	uv_timer_init(d->loop, &d->tick);
	d->tick.data = d;
	for (unsigned int i = 0; i < 3; i++) {
		uv_signal_init(d->loop, &d->signals[i]);
		d->signals[i].data = d;
		uv_signal_start(&d->signals[i], on_signal, signals[i]);
	}
	d->kernel = kernel_new(d->loop, &kernel_events, d);
	d->door = sidedoor_new(d->loop, options->lender, d->self->number, &door_events, d);
	d->lend = lend_new(d);
	d->lent_group = lent_group_new();
	d->donor = donor_new(d);
	d->revoke = revoke_new(d);
	d->owners = owners_new(d);
	if (!d->kernel || !d->door || !d->lend || !d->lent_group || !d->donor || !d->revoke || !d->owners ||
	    d->membership->start(d)) {
		log_err("out of memory");
		return -ENOMEM;
	}
	ramsterd_read_kernel(d);
	if (d->kernel_error && d->kernel_error != -ENOENT)
		return d->kernel_error; /* donors take it for certain when a node says that it has no module */
	if (!d->view.instance)
		log_info("no module ramster: this node only lends (modprobe ramster, and it can borrow too)");
	d->listener = listener_new(d);
	d->tool = d->listener ? tool_new(d, options->socket, access_group(options->group)) : NULL;
	if (!d->tool)
		return -EIO;
	reload_peers(d);
	ramsterd_tick_soon(d);
	return 0;
}

static void stop(struct ramsterd *d)
{
	struct peer *peer;

	for_each_peer(d, peer)
	{
		d->peers[peer->node.number] = NULL;
		peer_free(peer);
	}
	d->membership->stop(d);
	listener_free(d->listener);
	tool_free(d->tool);
	sidedoor_free(d->door);
	kernel_free(d->kernel);
	uv_close((uv_handle_t *)&d->tick, NULL);
	for (unsigned int i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&d->signals[i], NULL);
	uv_run(d->loop, UV_RUN_NOWAIT);
	kernel_view_clear(&d->view);
	donor_free(d->donor);
	revoke_free(d->revoke);
	owners_free(d->owners);
	lent_group_free(d->lent_group);
	lend_free(d->lend);
}

static void usage_error(const char *what, const char *got)
{
	fprintf(stderr, "ramsterd: %s \"%s\"; see ramsterd --help\n", what, got);
	exit(EXIT_USAGE);
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", required_argument, NULL, 'k' },
		{ "node", required_argument, NULL, 'n' },
		{ "lender", required_argument, NULL, 'l' },
		{ "socket", required_argument, NULL, 's' },
		{ "debug", no_argument, NULL, 'd' },
		{ "lender-options", no_argument, NULL, 'o' },
		{ "release", no_argument, NULL, 'r' },
		{ "group", required_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
		switch (c) {
		case 'k':
			options->check = true;
			options->conf = optarg;
			break;
		case 'c':
			options->conf = optarg;
			break;
		case 'o':
			options->lender_options = true;
			break;
		case 'r':
			options->release = true;
			break;
		case 'n':
			options->node = optarg;
			break;
		case 'l':
			options->lender = optarg;
			break;
		case 's':
			options->socket = optarg;
			break;
		case 'g':
			options->group = optarg;
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
		usage_error("expected options only, not", argv[optind]);
	if (strlen(options->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		usage_error("--socket: path too long:", options->socket);
	if (strlen(options->lender) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		usage_error("--lender: path too long:", options->lender);
}

static int check(const char *path)
{
	struct conf *conf = malloc(sizeof(*conf));
	char error[CONF_ERROR_LEN] = "out of memory";
	int ret = conf ? conf_load(path, conf, error) : -ENOMEM;

	if (ret)
		fprintf(stderr, "%s\n", error);
	else
		printf("%s: ok, cluster \"%s\", %u nodes\n", path, conf->cluster, conf->nodes_len);
	free(conf);
	return ret ? EXIT_USAGE : EXIT_SUCCESS;
}

/* Returns 0, or the exit status, reported. */
static int read_keys(struct ramsterd *d)
{
	char error[AUTHKEY_ERROR_LEN];

	if (!conf_authenticates(d->conf)) {
		log_warn("authkey = off: whoever reaches the control port is taken for the node that it says to be");
		return 0;
	}
	d->auth = auth_new(d->conf, d->self->number, error);
	if (d->auth)
		return 0;
	fprintf(stderr, "%s\n", error);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options options = { .conf = CONF_PATH, .lender = SIDEDOOR_PATH, .socket = TOOL_PATH };
	struct ramsterd d = { 0 };
	char error[CONF_ERROR_LEN];
	struct conf *conf;
	int ret;

	log_open("ramsterd");
	parse_options(argc, argv, &options);
	if (options.check)
		return check(options.conf);
	if (options.release)
		return release() ? EXIT_FAILURE : EXIT_SUCCESS;
	d.conf_path = options.conf;
	d.node_name = options.node;
	conf = reload_load(options.conf, options.node, &d.self, error);
	if (!conf) {
		fprintf(stderr, "%s\n", error);
		return EXIT_USAGE;
	}
	if (reload_first(&d, conf)) {
		log_err("out of memory");
		return EXIT_FAILURE;
	}
	if (options.lender_options) {
		printf("--node %u --listen %s:%u --socket %s%s\n", (unsigned int)d.self->number, d.self->address,
		       (unsigned int)d.self->data_port, options.lender, conf_keeps(d.self) ? " --keep" : "");
		free(d.conf);
		free(d.loaded);
		return EXIT_SUCCESS;
	}
	ret = privilege_hide(); /* the keys are nobody else's */
	if (ret)
		log_err("its memory, where the keys are to be, cannot be hidden: %s", strerror(-ret));
	ret = ret ? EXIT_FAILURE : read_keys(&d);
	if (ret) {
		free(d.conf);
		free(d.loaded);
		return ret;
	}
	signal(SIGPIPE, SIG_IGN);
	mkdir(RUN_DIR, 0755);
	configfs_mount();
	protect();
	if (give_up_privileges(options.group))
		return EXIT_FAILURE;
	d.loop = uv_default_loop();
	ret = start(&d, &options);
	if (!ret) {
		log_info("node %s (%u) of cluster %s, control port %s:%u", d.self->name, (unsigned int)d.self->number,
			 d.conf->cluster, d.self->address, (unsigned int)d.self->port);
		notify_ready();
		uv_run(d.loop, UV_RUN_DEFAULT);
		log_info("ended; the module and the lender go on");
	}
	stop(&d);
	auth_free(d.auth);
	free(d.conf);
	free(d.loaded);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
