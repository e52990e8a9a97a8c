// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sim - lending and borrowing on 10 to 1,000 simulated nodes.
 *
 * For half a run loads change by day, walk and bursts, nodes join and die. Then loads stay nearly as they are; the last
 * quarter is the steady state, of which the worst second counts.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/cluster.h"

#define PROMISE 1.15 /* max/mean lent */
#define PROMISE_SECONDS 60.0
#define EXIT_USAGE 2

struct options {
	unsigned long nodes, seconds, seed;
	bool unequal, header;
	const char *csv;
};

/* One second. */
struct sample {
	unsigned int up, donors, owners, unserved;
	double mean, max; /* lent as a share of what could be, of all donors and of the one that has lent most of it */
	double wanted, leased, could; /* GiB, of all together */
};

/* A run. */
struct result {
	double steady, changing; /* max/mean lent: the worst of the steady state, the median while loads changed */
	double unserved; /* share of the seconds of owners in which they had less than they wanted */
	double took; /* s */
};

static const char usage[] =
	"Usage: sim [--nodes COUNT] [--seconds SECONDS] [--seed NUMBER] [--unequal] [--csv FILE] [--no-header]\n"
	"Simulates a cluster's lending by the daemon's own policies. Exit status 1 if max/mean lent or the time taken\n"
	"is over what is promised.\n"
	"\n"
	"  --nodes COUNT        2 ... 2000 (default: 100)\n"
	"  --seconds SECONDS    simulated, 120 ... 86400 (default: 1200)\n"
	"  --seed NUMBER        the same number, the same run (default: 1)\n"
	"  --unequal            nodes of 4 to 64 GiB instead of 16 GiB each; max/mean is not judged then\n"
	"  --csv FILE           a line for each second\n"
	"  --no-header          the line of results only\n";

/* ---- What is seen ---- */

static double gib(uint64_t bytes)
{
	return (double)bytes / (1 << 30);
}

static struct sample look(const struct cluster *c)
{
	uint64_t lent = 0, could = 0, wanted = 0, leased = 0;
	struct sample s = { 0 };

	for (unsigned int i = 0; i < c->len; i++) {
		const struct node *node = &c->nodes[i];
		uint64_t can = cluster_could_lend(node);

		s.up += node->up;
		if (node->up && node->wanted) {
			s.owners++;
			s.unserved += node->leased < node->wanted;
			wanted += node->wanted * EXTENT;
			leased += node->leased * EXTENT;
		}
		if (can < EXTENT)
			continue;
		s.donors++;
		lent += node->lent * EXTENT;
		could += can;
		if ((double)node->lent * EXTENT / can > s.max)
			s.max = (double)node->lent * EXTENT / can;
	}
	s.mean = could ? (double)lent / could : 0;
	s.could = gib(could);
	s.wanted = gib(wanted);
	s.leased = gib(leased);
	return s;
}

static double max_by_mean(const struct sample *s)
{
	return s->mean > 0 ? s->max / s->mean : 1;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_seconds(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* ---- A run ---- */

static void write_csv(FILE *csv, const struct cluster *c, const struct sample *s)
{
	if (c->now == 1)
		fprintf(csv, "second,up,donors,owners,unserved,wanted_gib,leased_gib,could_lend_gib,mean_lent,max_lent,"
			     "max_by_mean,made,moved,lost\n");
	fprintf(csv, "%u,%u,%u,%u,%u,%.3f,%.3f,%.3f,%.5f,%.5f,%.5f,%lu,%lu,%lu\n", c->now, s->up, s->donors, s->owners,
		s->unserved, s->wanted, s->leased, s->could, s->mean, s->max, max_by_mean(s), (unsigned long)c->made,
		(unsigned long)c->moved, (unsigned long)c->lost);
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static struct result run(struct cluster *c, const struct options *options, FILE *csv)
{
	double *changing = calloc(options->seconds, sizeof(*changing)), begun = cpu_seconds();
	uint64_t owners = 0, unserved = 0;
	struct result result = { 0 };
	unsigned int count = 0;

	while (changing && c->now < options->seconds) {
		struct sample s;

		c->calm = c->now >= options->seconds / 2;
		cluster_tick(c);
		s = look(c);
		owners += s.owners;
		unserved += s.unserved;
		if (!c->calm && c->now >= options->seconds / 4)
			changing[count++] = max_by_mean(&s);
		if (c->now > options->seconds / 4 * 3 && max_by_mean(&s) > result.steady)
			result.steady = max_by_mean(&s);
		if (csv)
			write_csv(csv, c, &s);
	}
	if (count) {
		qsort(changing, count, sizeof(*changing), compare_doubles);
		result.changing = changing[count / 2];
	}
	free(changing);
	result.unserved = owners ? (double)unserved / owners : 0;
	result.took = cpu_seconds() - begun;
	return result;
}

/* Returns whether the promise is kept; it is one for equal nodes. */
static bool report(const struct cluster *c, const struct options *options, const struct result *r)
{
	bool kept = (r->steady <= PROMISE || options->unequal) && r->took <= PROMISE_SECONDS;
	unsigned int len = c->give_back_len;

	if (len)
		qsort(c->give_back, len, sizeof(c->give_back[0]), compare_seconds);
	if (options->header)
		printf("%-6s %7s | %-17s | %8s %8s %8s | %-21s | %-8s | %6s | %6s\n"
		       "%-6s %7s | %-8s %8s | %8s %8s %8s | %6s %4s %4s %4s | %-8s | %6s |\n",
		       "nodes", "seconds", "max/mean lent", "leases", "leases", "leases", "seconds to give back",
		       "owners", "joins,", "took", "", "", "steady", "changing", "made", "moved", "lost", "times",
		       "p50", "p99", "max", "unserved", "deaths");
	printf("%-6u %7u | %-8.3f %8.3f | %8lu %8lu %8lu | %6u %4u %4u %4u | %7.2f%% | %3lu %2lu | %5.1fs %s\n", c->len,
	       c->now, r->steady, r->changing, (unsigned long)c->made, (unsigned long)c->moved, (unsigned long)c->lost,
	       len, len ? c->give_back[len / 2] : 0, len ? c->give_back[len * 99ULL / 100] : 0,
	       len ? c->give_back[len - 1] : 0, 100 * r->unserved, (unsigned long)(c->joins - c->len),
	       (unsigned long)c->deaths, r->took,
	       options->unequal ? "unequal nodes"
	       : kept		? "PASS"
				: "FAIL");
	return kept;
}

/* ---- Options ---- */

static unsigned long number(const char *name, const char *text, unsigned long min, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end != text && !*end && *text != '-' && value >= min && value <= max)
		return value;
	fprintf(stderr, "sim: --%s: expected %lu ... %lu, not \"%s\"\n", name, min, max, text);
	exit(EXIT_USAGE);
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "nodes", required_argument, NULL, 'n' }, { "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },  { "csv", required_argument, NULL, 'c' },
		{ "unequal", no_argument, NULL, 'u' },	   { "no-header", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },	   { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			options->nodes = number("nodes", optarg, 2, 2000);
			break;
		case 't':
			options->seconds = number("seconds", optarg, 120, 86400);
			break;
		case 's':
			options->seed = number("seed", optarg, 0, UINT32_MAX);
			break;
		case 'c':
			options->csv = optarg;
			break;
		case 'u':
			options->unequal = true;
			break;
		case 'q':
			options->header = false;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sim: expected options only, not \"%s\"; see sim --help\n", argv[optind]);
		exit(EXIT_USAGE);
	}
}

int main(int argc, char **argv)
{
	struct options options = { .nodes = 100, .seconds = 1200, .seed = 1, .header = true };
	struct cluster *cluster;
	struct result result;
	FILE *csv = NULL;
	bool kept;

	parse_options(argc, argv, &options);
	if (options.csv) {
		csv = fopen(options.csv, "we");
		if (!csv) {
			perror(options.csv);
			return EXIT_USAGE;
		}
	}
	load_seed(options.seed);
	cluster = cluster_new(options.nodes, options.unequal);
	if (!cluster) {
		fprintf(stderr, "sim: out of memory\n");
		return EXIT_FAILURE;
	}
	result = run(cluster, &options, csv);
	kept = report(cluster, &options, &result);
	cluster_free(cluster);
	if (csv && fclose(csv)) {
		perror(options.csv);
		return EXIT_FAILURE;
	}
	return kept ? EXIT_SUCCESS : EXIT_FAILURE;
}
