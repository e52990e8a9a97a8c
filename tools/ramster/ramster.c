// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ramster - the operator's command.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/tool.h"
#include "tools/ramster/client.h"
#include "tools/ramster/json.h"
#include "tools/ramster/print.h"
#include "tools/ramster/ramster.h"
#include "tools/ramster/set.h"
#include "tools/ramster/top.h"

static const char usage[] =
	"Usage: ramster status [--json]\n"
	"       ramster nodes [--json]\n"
	"       ramster top [--json] [--interval SECONDS] [--once]\n"
	"       ramster set [--json] [KEY=VALUE ...]\n"
	"Shows where this node's pages are and how its cluster does, and changes how it lends: see ramster(8).\n"
	"\n"
	"  --json               one JSON object on one line\n"
	"  --interval SECONDS   between two pictures (default: 1)\n"
	"  --once               one picture, of one interval\n"
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
	char error[CLIENT_ERROR_LEN];
	int fd = client_connect(socket, error);
	Ramster__Message *message = fd >= 0 ? client_status(fd, error) : NULL;

	if (message)
		print(stdout, message->status);
	else
		fprintf(stderr, "ramster: %s\n", error);
	client_free(message);
	if (fd >= 0)
		close(fd);
	return message ? EXIT_SUCCESS : EXIT_UNREACHABLE;
}

static const char *parse_options(int argc, char **argv, struct top *options)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },	      { "once", no_argument, NULL, 'o' },
		{ "interval", required_argument, NULL, 'i' }, { "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },	      { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			options->json = true;
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
	if (optind == argc)
		usage_error("which command? expected status, nodes, top or set", NULL);
	if (optind + 1 < argc && strcmp(argv[optind], "set"))
		usage_error("too many words, from", argv[optind + 1]);
	return argv[optind];
}

int main(int argc, char **argv)
{
	struct top options = { .socket = TOOL_PATH, .interval = 1 };
	const char *command = parse_options(argc, argv, &options);

	if (!strcmp(command, "status"))
		return show_once(options.socket, options.json ? json_status : print_status);
	if (!strcmp(command, "nodes"))
		return show_once(options.socket, options.json ? json_nodes : print_nodes);
	if (!strcmp(command, "top"))
		return top_run(&options);
	if (!strcmp(command, "set"))
		return set_run(options.socket, argv + optind + 1, argc - optind - 1, options.json);
	usage_error("expected status, nodes, top or set, not", command);
	return EXIT_USAGE;
}
