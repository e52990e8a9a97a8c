// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ramster - the operator's command.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/authkey.h"
#include "daemon/tool.h"
#include "tools/ramster/client.h"
#include "tools/ramster/empty.h"
#include "tools/ramster/json.h"
#include "tools/ramster/keygen.h"
#include "tools/ramster/print.h"
#include "tools/ramster/ramster.h"
#include "tools/ramster/set.h"
#include "tools/ramster/top.h"

static const char usage[] =
	"Usage: ramster status [--json]\n"
	"       ramster nodes [--json]\n"
	"       ramster top [--json] [--interval SECONDS] [--once]\n"
	"       ramster set [--json] [KEY=VALUE ...]\n"
	"       ramster drain [--cancel | [--no-wait] [--force]] [--json] NODE\n"
	"       ramster evict [--cancel | --no-wait] [--json]\n"
	"       ramster keygen [--rotate | --retire | --force] [--file PATH]\n"
	"Shows where this node's pages are and how its cluster does, changes how it lends, and makes the cluster's "
	"key:\n"
	"see ramster(8).\n"
	"\n"
	"  --json               one JSON object on one line\n"
	"  --interval SECONDS   between two pictures (default: 1)\n"
	"  --once               one picture, of one interval\n"
	"  --cancel             end the drain or evict that was begun; --no-wait: do not wait for its end\n"
	"  --force              drain also the last node that lends; keygen: forget the keys that there are\n"
	"  --rotate             add a newer key to the file; --retire: drop the older one again\n"
	"  --file PATH          of the cluster's keys (default: " AUTHKEY_PATH ")\n"
	"  --socket PATH        of ramsterd (default: " TOOL_PATH ")\n"
	"  --help               show this\n";

static void usage_error(const char *what, const char *got)
{
	fprintf(stderr, "ramster: %s%s%s%s; see ramster --help\n", what, got ? " \"" : "", got ? got : "",
		got ? "\"" : "");
	exit(EXIT_USAGE);
}

static double parse_interval(const char *text)
{
	char *end;
	double interval = strtod(text, &end);

	if (end == text || *end || !(interval >= 0.05 && interval <= 86400))
		usage_error("--interval: expected seconds from 0.05 to 86400, not", text);
	return interval;
}

/* `ramster status` and `ramster nodes`. */
static int show_once(const char *socket, void (*print)(FILE *, const Ramster__Status *))
{
	struct client_error error;
	int fd = client_connect(socket, &error);
	Ramster__Message *message = fd >= 0 ? client_status(fd, &error) : NULL;

	if (message)
		print(stdout, message->status);
	else
		fprintf(stderr, "ramster: %s\n", error.text);
	client_free(message);
	if (fd >= 0)
		close(fd);
	return message ? EXIT_SUCCESS : error.status;
}

static const struct option longs[] = {
	{ "json", no_argument, NULL, 'j' },	      { "once", no_argument, NULL, 'o' },
	{ "interval", required_argument, NULL, 'i' }, { "socket", required_argument, NULL, 's' },
	{ "cancel", no_argument, NULL, 'c' },	      { "no-wait", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },	      { "rotate", no_argument, NULL, 'r' },
	{ "retire", no_argument, NULL, 'R' },	      { "file", required_argument, NULL, 'F' },
	{ "help", no_argument, NULL, 'h' },	      { NULL, 0, NULL, 0 },
};

/* Which options each command takes. */
static const struct {
	const char *command, *options;
} commands[] = {
	{ "status", "sj" },   { "nodes", "sj" },   { "top", "sjio" },	 { "set", "sj" },
	{ "drain", "sjcnf" }, { "evict", "sjcn" }, { "keygen", "frRF" },
};

/* @given: the options that were given */
static void check_options(const char *command, const char *given)
{
	char what[64], option[32];
	const char *takes = NULL;

	for (unsigned int i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].command, command))
			takes = commands[i].options;
	if (!takes)
		usage_error("expected status, nodes, top, set, drain, evict or keygen, not", command);
	for (unsigned int i = 0; longs[i].name; i++) {
		if (!strchr(given, longs[i].val) || strchr(takes, longs[i].val))
			continue;
		snprintf(what, sizeof(what), "%s does not take", command);
		snprintf(option, sizeof(option), "--%s", longs[i].name);
		usage_error(what, option);
	}
	if (strchr(given, 'c') && strpbrk(given, "nf"))
		usage_error("--cancel goes with neither --no-wait nor --force", NULL);
	if (!!strchr(given, 'r') + !!strchr(given, 'R') + (!strcmp(command, "keygen") && strchr(given, 'f')) > 1)
		usage_error("expected one of --rotate, --retire and --force", NULL);
}

/* @given: room for each option once, zeroed */
static void parse_options(int argc, char **argv, struct top *options, struct empty_options *empty,
			  struct keygen_options *keygen, char *given)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (!strchr(given, c))
			given[strlen(given)] = c;
		switch (c) {
		case 'j':
			options->json = empty->json = true;
			break;
		case 'c':
			empty->cancel = true;
			break;
		case 'n':
			empty->no_wait = true;
			break;
		case 'f':
			empty->force = keygen->force = true;
			break;
		case 'r':
			keygen->rotate = true;
			break;
		case 'R':
			keygen->retire = true;
			break;
		case 'F':
			keygen->path = optarg;
			break;
		case 'o':
			options->once = true;
			break;
		case 'i':
			options->interval = parse_interval(optarg);
			break;
		case 's':
			options->socket = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
}

/* Returns the command; @empty gets the node that it is about. */
static const char *parse_words(int argc, char **argv, struct empty_options *empty)
{
	if (optind == argc)
		usage_error("which command? expected status, nodes, top, set, drain, evict or keygen", NULL);
	if (!strcmp(argv[optind], "drain")) {
		if (optind + 1 == argc)
			usage_error("drain: which node?", NULL);
		empty->node = argv[++optind];
		if (optind + 1 < argc)
			usage_error("too many words, from", argv[optind + 1]);
		return "drain";
	}
	if (optind + 1 < argc && strcmp(argv[optind], "set"))
		usage_error("too many words, from", argv[optind + 1]);
	return argv[optind];
}

int main(int argc, char **argv)
{
	struct top options = { .socket = TOOL_PATH, .interval = 1 };
	struct keygen_options keygen = { .path = AUTHKEY_PATH };
	struct empty_options empty = { 0 };
	char given[sizeof(longs) / sizeof(longs[0])] = "";
	const char *command;

	parse_options(argc, argv, &options, &empty, &keygen, given);
	command = parse_words(argc, argv, &empty);
	check_options(command, given);
	if (!strcmp(command, "status"))
		return show_once(options.socket, options.json ? json_status : print_status);
	if (!strcmp(command, "nodes"))
		return show_once(options.socket, options.json ? json_nodes : print_nodes);
	if (!strcmp(command, "top"))
		return top_run(&options);
	if (!strcmp(command, "set"))
		return set_run(options.socket, argv + optind + 1, argc - optind - 1, options.json);
	if (!strcmp(command, "keygen"))
		return keygen_run(&keygen);
	empty.evict = !strcmp(command, "evict");
	return empty_run(options.socket, &empty);
}
