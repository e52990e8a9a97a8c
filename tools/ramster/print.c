// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * print - a status as text for people.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "tools/ramster/client.h"
#include "tools/ramster/print.h"

const char *print_bytes(char text[PRINT_AMOUNT_LEN], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned int unit = 0;

	while (bytes >= 1024 && unit < 5) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, PRINT_AMOUNT_LEN, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}

static double per(uint64_t a, uint64_t b)
{
	return b ? (double)a / b : 0;
}

static void print_pages(FILE *out, const char *what, uint64_t pages, const char *more)
{
	char text[PRINT_AMOUNT_LEN];

	fprintf(out, "  %-14s %10" PRIu64 " pages  %10s%s%s\n", what, pages,
		print_bytes(text, (double)pages * PRINT_PAGE), *more ? "  " : "", more);
}

static void print_where(FILE *out, const Ramster__Status *s)
{
	char more[128], a[PRINT_AMOUNT_LEN], b[PRINT_AMOUNT_LEN];
	uint64_t local = client_counter(s, "pages_local");

	fprintf(out, "pages\n");
	snprintf(more, sizeof(more), "compressed to %s, in %s of RAM", print_bytes(a, client_counter(s, "zpage_bytes")),
		 print_bytes(b, client_counter(s, "local_bytes")));
	print_pages(out, "local", local, more);
	print_pages(out, "same-filled", client_counter(s, "pages_same"), "");
	snprintf(more, sizeof(more), "in %s of %s leased", print_bytes(a, client_counter(s, "remote_used_bytes")),
		 print_bytes(b, client_counter(s, "remote_space_bytes")));
	print_pages(out, "remote", client_counter(s, "pages_remote"), more);
	for (size_t i = 0; i < s->n_nodes; i++)
		if (s->nodes[i]->pages) {
			snprintf(more, sizeof(more), "  on %s", s->nodes[i]->name);
			print_pages(out, more, s->nodes[i]->pages, "");
		}
	print_pages(out, "disk", client_counter(s, "pages_backing"), "");
	if (client_counter(s, "pages_lost"))
		print_pages(out, "LOST", client_counter(s, "pages_lost"), "");
}

static void print_traffic(FILE *out, const Ramster__Status *s)
{
	uint64_t pages = client_counter(s, "remotify_pages"), tx = client_counter(s, "tx_bytes");
	uint64_t reads = client_counter(s, "loads_remote"), rx = client_counter(s, "rx_bytes");
	char a[PRINT_AMOUNT_LEN], b[PRINT_AMOUNT_LEN];

	fprintf(out, "traffic\n");
	fprintf(out,
		"  stores         %10" PRIu64 "  (%" PRIu64 " same-filled, %" PRIu64 " raw, %" PRIu64 " refused)\n",
		client_counter(s, "stores"), client_counter(s, "stores_same"), client_counter(s, "stores_raw"),
		client_counter(s, "stores_refused"));
	fprintf(out,
		"  loads          %10" PRIu64 " local, %" PRIu64 " remote, %" PRIu64 " prefetched, %" PRIu64
		" disk, %" PRIu64 " failed\n",
		client_counter(s, "loads_local") + client_counter(s, "loads_same"), reads,
		client_counter(s, "loads_prefetched"), client_counter(s, "loads_backing"),
		client_counter(s, "loads_failed"));
	fprintf(out,
		"  remotified     %10" PRIu64 " pages in %" PRIu64 " WRITEs (%.1f pages/WRITE), %" PRIu64 " failed\n",
		pages, client_counter(s, "remotify_writes"), per(pages, client_counter(s, "remotify_writes")),
		client_counter(s, "remotify_failed"));
	fprintf(out, "  wire           %10s sent, %s received; %.0f bytes a page sent\n", print_bytes(a, tx),
		print_bytes(b, rx), per(tx, pages));
	fprintf(out,
		"  load latency   p50 %" PRIu64 " us, p99 %" PRIu64 " us; remote p50 %" PRIu64 " us, p99 %" PRIu64
		" us\n",
		client_counter(s, "load_p50_us"), client_counter(s, "load_p99_us"),
		client_counter(s, "remote_load_p50_us"), client_counter(s, "remote_load_p99_us"));
	fprintf(out, "  bookkeeping    %10s, %.1f bytes a remote page\n",
		print_bytes(a, client_counter(s, "bookkeeping_bytes")),
		client_counter(s, "bookkeeping_per_page_milli") / 1000.0);
}

static void print_lender(FILE *out, const Ramster__LenderStatus *l)
{
	char a[PRINT_AMOUNT_LEN], b[PRINT_AMOUNT_LEN], c[PRINT_AMOUNT_LEN];

	fprintf(out, "lender           ");
	if (!l || !l->present) {
		fprintf(out, "not running (lend = %s)\n", l ? l->lend : "?");
		return;
	}
	fprintf(out, "%s lent of %s (lend = %s, reserve %s), ", print_bytes(a, l->lent), print_bytes(b, l->limit),
		l->lend, print_bytes(c, l->reserve));
	if (l->wanted_back)
		fprintf(out, "%s wanted back, ", print_bytes(a, l->wanted_back));
	fprintf(out, "%u connections; ", l->connections);
	fprintf(out, "%s written, %s read by owners", print_bytes(a, l->write_bytes), print_bytes(b, l->read_bytes));
	if (l->malformed || l->refused_hello)
		fprintf(out, "; %" PRIu64 " HELLOs refused, %" PRIu64 " frames malformed", l->refused_hello,
			l->malformed);
	fputc('\n', out);
}

static void print_control(FILE *out, const Ramster__Status *s)
{
	fprintf(out, "control          %s", s->authenticated ? "authenticated with key " : "not authenticated");
	for (size_t i = 0; i < s->n_keys; i++)
		fprintf(out, "%s%s", i ? ", or still " : "", s->keys[i]);
	if (s->control_malformed || s->control_refused)
		fprintf(out, "; %" PRIu64 " connections refused, %" PRIu64 " ended by a malformed message",
			s->control_refused, s->control_malformed);
	fputc('\n', out);
}

void print_details(FILE *out, const Ramster__Status *s)
{
	char a[PRINT_AMOUNT_LEN];

	fprintf(out, "node             %s of cluster %s\n", s->node, s->cluster);
	fprintf(out, "membership       %s%s%s\n", s->membership, *s->membership_state ? ": " : "", s->membership_state);
	fprintf(out, "front ends       ");
	for (size_t i = 0; i < s->n_frontends; i++)
		fprintf(out, "%s%s", i ? ", " : "", s->frontends[i]);
	if (!s->n_frontends)
		fprintf(out, "none (%s)", s->module ? "swapon /dev/ramster0" : "ramster.ko is not loaded");
	fputc('\n', out);
	if (s->module)
		fprintf(out, "seal             %s\n",
			client_counter(s, "sealed") ? "on" : "off: whoever sees pages that have left can read them");
	print_lender(out, s->lender);
	if (s->need)
		fprintf(out, "wanted           %s more of peers' memory\n", print_bytes(a, s->need));
	print_control(out, s);
	if (s->module) {
		print_where(out, s);
		print_traffic(out, s);
	}
}

void print_status(FILE *out, const Ramster__Status *s)
{
	fprintf(out, "%s\n\n", s->verdict);
	print_details(out, s);
}

static const char *data_name(const Ramster__NodeStatus *node)
{
	static const char *const names[] = { "-", "down", "up", "late", "dead" };

	return (unsigned int)node->data < 5 ? names[node->data] : "?";
}

static const char *state_name(const Ramster__NodeStatus *node)
{
	return !strcmp(node->control, "up") && !node->member ? "no member" : node->control;
}

/* What other nodes have had of this one as its owners. */
static void print_owners(FILE *out, const Ramster__Status *s)
{
	char in[PRINT_AMOUNT_LEN], sent[PRINT_AMOUNT_LEN], bandwidth[PRINT_AMOUNT_LEN + 2];
	bool headline = false;

	for (size_t i = 0; i < s->n_nodes; i++) {
		const Ramster__OwnerStatus *o = s->nodes[i]->owner;

		if (!o)
			continue;
		if (!headline)
			fprintf(out, "\n%3s %-12s %5s %10s %10s %10s %12s %10s %10s\n", "NUM", "OWNER", "CONNS",
				"REFUSED", "IN", "OUT", "BANDWIDTH", "THROTTLED", "HELD BACK");
		headline = true;
		print_bytes(bandwidth, o->bandwidth);
		strcat(bandwidth, "/s");
		fprintf(out, "%3u %-12s %5u %10" PRIu64 " %10s %10s %12s %8.1f s %10" PRIu64 "\n", s->nodes[i]->number,
			s->nodes[i]->name, o->connections, o->refused, print_bytes(in, o->in_bytes),
			print_bytes(sent, o->out_bytes), o->bandwidth ? bandwidth : "off", o->throttled_ms / 1000.0,
			o->waits);
	}
}

void print_nodes(FILE *out, const Ramster__Status *s)
{
	char free[PRINT_AMOUNT_LEN], lent[PRINT_AMOUNT_LEN], space[PRINT_AMOUNT_LEN];
	char used[PRINT_AMOUNT_LEN], held[PRINT_AMOUNT_LEN], quota[PRINT_AMOUNT_LEN];

	fprintf(out, "%3s %-12s %-21s %-10s %10s %10s  %-4s %5s %10s %10s %10s %8s %10s %10s\n", "NUM", "NODE",
		"ADDRESS", "STATE", "FREE", "LENT", "DATA", "CONNS", "LEASED", "USED", "PAGES", "RTT", "LENT TO",
		"QUOTA");
	for (size_t i = 0; i < s->n_nodes; i++) {
		const Ramster__NodeStatus *n = s->nodes[i];
		char address[64];

		snprintf(address, sizeof(address), "%s:%u", n->address, n->port);
		fprintf(out, "%3u %-12s %-21s %-10s %10s %10s  ", n->number, n->name, address,
			n->local ? "this node" : state_name(n),
			n->draining    ? "drains"
			: n->borrowing ? "borrows"
				       : print_bytes(free, n->free),
			print_bytes(lent, n->lent));
		if (n->local)
			fputs("-\n", out);
		else
			fprintf(out, "%-4s %5u %10s %10s %10" PRIu64 " %5u us %10s %10s\n", data_name(n),
				n->connections, print_bytes(space, n->space), print_bytes(used, n->used), n->pages,
				n->rtt_us, print_bytes(held, n->held), n->quota ? print_bytes(quota, n->quota) : "off");
	}
	for (size_t i = 0; i < s->n_nodes; i++)
		if (!s->nodes[i]->local && *s->nodes[i]->reason)
			fprintf(out, "%s: %s\n", s->nodes[i]->name, s->nodes[i]->reason);
	print_owners(out, s);
}

/* How much a counter has grown; 0 if the module was loaded anew, or is gone. */
static uint64_t growth(const Ramster__Status *before, const Ramster__Status *now, const char *counter)
{
	uint64_t was = client_counter(before, counter), is = client_counter(now, counter);

	return is > was ? is - was : 0;
}

void print_rates(FILE *out, const Ramster__Status *before, const Ramster__Status *now, double seconds)
{
	static const struct {
		const char *title, *counter;
		int bytes;
	} rates[] = {
		{ "stores", "stores", 0 },
		{ "remotified", "remotify_pages", 0 },
		{ "loads local", "loads_local", 0 },
		{ "loads remote", "loads_remote", 0 },
		{ "prefetched", "loads_prefetched", 0 },
		{ "loads disk", "loads_backing", 0 },
		{ "sent", "tx_bytes", 1 },
		{ "received", "rx_bytes", 1 },
	};

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double rate = growth(before, now, rates[i].counter) / seconds;
		char text[PRINT_AMOUNT_LEN];

		if (rates[i].bytes)
			print_bytes(text, rate);
		else
			snprintf(text, sizeof(text), "%.0f", rate);
		fprintf(out, "  %-12s %12s/s%s", rates[i].title, text, i % 3 == 2 ? "\n" : "");
	}
	fputc('\n', out);
}
