// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * top - the status again and again.
 *
 * A frame is made as text first, by the same functions that print elsewhere, and then put on the screen if there is one.
 */
#include <curses.h>
#include <term.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/ramster/client.h"
#include "tools/ramster/json.h"
#include "tools/ramster/print.h"
#include "tools/ramster/ramster.h"
#include "tools/ramster/top.h"

struct sample {
	Ramster__Message *message; /* NULL: none */
	double at; /* seconds */
};

struct session {
	const struct top *top;
	int fd; /* -1: not connected */
	bool screen;
	bool keys; /* the user can type */
	struct sample before;
	struct client_error error; /* why the last reading failed */
};

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Asks once, connecting first if need be. message is NULL and session->error set if that fails. */
static struct sample take(struct session *session)
{
	struct sample sample = { 0 };

	if (session->fd < 0)
		session->fd = client_connect(session->top->socket, &session->error);
	if (session->fd >= 0)
		sample.message = client_status(session->fd, &session->error);
	if (session->fd >= 0 && !sample.message) {
		close(session->fd);
		session->fd = -1;
	}
	sample.at = seconds();
	return sample;
}

static void show_text(struct session *session, FILE *out, const struct sample *now)
{
	const Ramster__Status *status = now->message->status;

	fprintf(out, "%s\n\n", status->verdict);
	if (session->before.message)
		print_rates(out, session->before.message->status, status, now->at - session->before.at);
	fputc('\n', out);
	print_nodes(out, status);
	fputc('\n', out);
	print_details(out, status);
}

static void show_screen(const char *text)
{
	erase();
	mvaddstr(0, 0, text);
	mvchgat(0, 0, -1, A_BOLD, 0, NULL);
	refresh();
}

static void show(struct session *session, const struct sample *now)
{
	char *text = NULL;
	size_t len;
	FILE *out;

	if (session->top->json) {
		if (now->message)
			json_status(stdout, now->message->status);
		fflush(stdout);
		return;
	}
	out = open_memstream(&text, &len);
	if (!out)
		return;
	if (now->message)
		show_text(session, out, now);
	else
		fprintf(out, "%s\n", session->error.text);
	fclose(out);
	if (session->screen)
		show_screen(text);
	else
		puts(text);
	fflush(stdout);
	free(text);
}

static volatile sig_atomic_t ended;

/* Waits an interval; returns true if the user wants to end. */
static bool wait_interval(const struct session *session)
{
	double until = seconds() + session->top->interval, left;
	struct timespec pause;

	while (!ended && (left = until - seconds()) > 0) {
		if (session->keys) {
			timeout(left * 1000 + 1);
			if (getch() == 'q')
				return true;
			continue;
		}
		pause.tv_sec = left;
		pause.tv_nsec = (left - pause.tv_sec) * 1e9;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void on_signal(int signum)
{
	ended = 1;
}

/* Whether standard output is a terminal that can be drawn on. */
static bool has_screen(void)
{
	int err;

	return isatty(STDOUT_FILENO) && setupterm(NULL, STDOUT_FILENO, &err) == OK;
}

static void open_screen(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	initscr();
	cbreak();
	noecho();
	curs_set(0);
}

int top_run(const struct top *top)
{
	struct session session = { .top = top, .fd = -1 };
	struct sample now = take(&session);
	unsigned int shown = 0;
	bool failed = false;

	if (!now.message) {
		fprintf(stderr, "ramster: %s\n", session.error.text);
		return session.error.status;
	}
	session.screen = !top->json && has_screen();
	session.keys = session.screen && isatty(STDIN_FILENO);
	if (session.screen)
		open_screen();
	if (!top->once)
		show(&session, &now);
	while (!ended && !(top->once && shown)) {
		client_free(session.before.message);
		session.before = now;
		if (wait_interval(&session))
			break;
		now = take(&session);
		show(&session, &now);
		shown++;
		failed = top->once && !now.message;
	}
	if (session.screen)
		endwin();
	if (now.message != session.before.message)
		client_free(now.message);
	client_free(session.before.message);
	if (session.fd >= 0)
		close(session.fd);
	return failed ? session.error.status : EXIT_SUCCESS;
}
