// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * agent - the first process of a lab node: runs commands for the lab, and buries orphans.
 *
 * One thread, one poll loop. All memory is locked and processes are started without copying the address space, so
 * that it works when the node has no memory left; as process 1 it is never chosen by the OOM killer. The lab is
 * trusted: it only ever gets what it has asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

struct channel {
	pid_t pid; /* 0: the channel is free; -1: the command has ended */
	int status;
	int in, out, err; /* our ends; -1: closed. On a terminal in and out are the same file */
	bool in_ends; /* close `in` when `input` is empty */
	uint32_t credit; /* bytes of output that may be sent */
	uint32_t head, fill; /* of `input`: not yet written to the command */
	char input[AGENT_STDIN_CREDIT];
};

static struct channel channels[AGENT_CHANNELS];
static int port;

static char *const environment[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"TERM=linux",
	NULL,
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "agent: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* The lab always reads, so waiting here for the port is short. */
static void port_write(const void *data, size_t size)
{
	const char *from = data;

	while (size) {
		ssize_t n = write(port, from, size);

		if (n >= 0) {
			from += n;
			size -= n;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = port, .events = POLLOUT }, 1, -1);
		} else if (errno != EINTR) {
			die("the lab's port: %s", strerror(errno));
		}
	}
}

/* A header with its payload behind it, so that both go out in one write. */
struct packet {
	struct agent_frame header;
	char payload[AGENT_MAX_PAYLOAD];
};

static void send_packet(struct packet *packet, int channel, uint8_t type, uint32_t length)
{
	packet->header = (struct agent_frame){ .length = length, .channel = channel, .type = type };
	port_write(packet, sizeof(packet->header) + length);
}

static void send_number(int channel, uint8_t type, uint32_t number)
{
	static struct packet packet;

	memcpy(packet.payload, &number, sizeof(number));
	send_packet(&packet, channel, type, sizeof(number));
}

static void send_error(int channel, const char *what, int error)
{
	static struct packet packet;
	int length = snprintf(packet.payload, sizeof(packet.payload), "%s: %s", what, strerror(error));

	send_packet(&packet, channel, AGENT_ERROR, length);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The three ends of a command's input and output: ours and the command's. */
struct ends {
	int ours[3], theirs[3];
};

static void ends_close(struct ends *ends)
{
	for (int i = 0; i < 3; i++) {
		close_end(&ends->ours[i]);
		close_end(&ends->theirs[i]);
	}
}

static int ends_open_pipes(struct ends *ends)
{
	for (int i = 0; i < 3; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return errno;
		ends->ours[i] = fds[i ? 0 : 1];
		ends->theirs[i] = fds[i ? 1 : 0];
	}
	return 0;
}

/* The command opens the terminal's other side by name, which makes it the controlling terminal of its session. */
static int ends_open_terminal(struct ends *ends, char *name, size_t size)
{
	ends->ours[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (ends->ours[0] < 0 || unlockpt(ends->ours[0]) || ptsname_r(ends->ours[0], name, size))
		return errno;
	ends->ours[1] = fcntl(ends->ours[0], F_DUPFD_CLOEXEC, 0);
	return ends->ours[1] < 0 ? errno : 0;
}

static int spawn(pid_t *pid, char **argv, struct ends *ends, uint8_t flags, const char *terminal)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	posix_spawn_file_actions_init(&actions);
	if (flags & AGENT_RUN_DETACHED) {
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
		posix_spawn_file_actions_addopen(&actions, 1, "/dev/console", O_WRONLY | O_NOCTTY, 0);
		posix_spawn_file_actions_adddup2(&actions, 1, 2);
	} else if (flags & AGENT_RUN_TERMINAL) {
		posix_spawn_file_actions_addopen(&actions, 0, terminal, O_RDWR, 0);
		posix_spawn_file_actions_adddup2(&actions, 0, 1);
		posix_spawn_file_actions_adddup2(&actions, 0, 2);
	} else {
		for (int i = 0; i < 3; i++)
			posix_spawn_file_actions_adddup2(&actions, ends->theirs[i], i);
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static void run(int number, uint8_t flags, char *text, uint32_t length)
{
	struct ends ends = { { -1, -1, -1 }, { -1, -1, -1 } };
	struct channel *channel = &channels[number];
	char *argv[AGENT_MAX_ARGUMENTS + 1], terminal[32] = "";
	int count = 0, error = 0;
	pid_t pid;

	for (uint32_t at = 0; at < length && count < AGENT_MAX_ARGUMENTS; at += strlen(text + at) + 1)
		argv[count++] = text + at;
	argv[count] = NULL;
	if (flags & AGENT_RUN_TERMINAL)
		error = ends_open_terminal(&ends, terminal, sizeof(terminal));
	else if (!(flags & AGENT_RUN_DETACHED))
		error = ends_open_pipes(&ends);
	if (!error)
		error = spawn(&pid, argv, &ends, flags, terminal);
	if (error || flags & AGENT_RUN_DETACHED) {
		ends_close(&ends);
		if (error)
			send_error(number, argv[0], error);
		else
			send_number(number, AGENT_EXIT, 0);
		return;
	}
	for (int i = 0; i < 3; i++) {
		close_end(&ends.theirs[i]);
		if (ends.ours[i] >= 0)
			fcntl(ends.ours[i], F_SETFL, O_NONBLOCK);
	}
	memset(channel, 0, offsetof(struct channel, input));
	channel->pid = pid;
	channel->in = ends.ours[0];
	channel->out = ends.ours[1];
	channel->err = ends.ours[2];
	channel->credit = AGENT_OUTPUT_CREDIT;
}

/* Moves input to the command as far as it takes it. */
static void pump_input(struct channel *channel)
{
	uint32_t taken = 0;

	while (channel->fill && channel->in >= 0) {
		uint32_t ahead = AGENT_STDIN_CREDIT - channel->head;
		uint32_t size = ahead < channel->fill ? ahead : channel->fill;
		ssize_t n = write(channel->in, channel->input + channel->head, size);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			close_end(&channel->in);
			break;
		}
		taken += n;
		channel->fill -= n;
		channel->head = (channel->head + n) % AGENT_STDIN_CREDIT;
	}
	if (channel->in < 0) {
		taken += channel->fill;
		channel->fill = 0;
	}
	if (channel->in_ends && !channel->fill)
		close_end(&channel->in);
	if (taken)
		send_number(channel - channels, AGENT_CREDIT, taken);
}

static void take_input(struct channel *channel, const char *data, uint32_t length)
{
	if (!length)
		channel->in_ends = true;
	if (length > AGENT_STDIN_CREDIT - channel->fill)
		die("the lab sent more than its credit");
	while (length) {
		uint32_t tail = (channel->head + channel->fill) % AGENT_STDIN_CREDIT;
		uint32_t ahead = AGENT_STDIN_CREDIT - tail;
		uint32_t size = ahead < length ? ahead : length;

		memcpy(channel->input + tail, data, size);
		channel->fill += size;
		data += size;
		length -= size;
	}
	pump_input(channel);
}

/* Sends what the command has written, within the credit; true if there may be more of it. */
static bool pump_output(struct channel *channel, int *fd, uint8_t type)
{
	static struct packet packet;

	while (*fd >= 0 && channel->credit) {
		uint32_t room = channel->credit < AGENT_MAX_PAYLOAD ? channel->credit : AGENT_MAX_PAYLOAD;
		ssize_t n = read(*fd, packet.payload, room);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			close_end(fd);
			break;
		}
		send_packet(&packet, channel - channels, type, n);
		channel->credit -= n;
	}
	return *fd >= 0;
}

/*
 * A command is over when it has ended and its output so far is sent. Whatever it left running may keep the other end
 * of the pipes; it gets SIGPIPE if it writes more.
 */
static void pump(struct channel *channel)
{
	bool more_out = pump_output(channel, &channel->out, AGENT_STDOUT);
	bool more_err = pump_output(channel, &channel->err, AGENT_STDERR);

	if (channel->pid != -1 || more_out || more_err)
		return;
	close_end(&channel->in);
	close_end(&channel->out);
	close_end(&channel->err);
	channel->pid = 0;
	send_number(channel - channels, AGENT_EXIT, channel->status);
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < AGENT_CHANNELS; i++) {
			if (channels[i].pid != pid)
				continue;
			channels[i].pid = -1;
			channels[i].status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			pump(&channels[i]);
		}
	}
}

static void take_frame(const struct agent_frame *frame, char *payload)
{
	struct channel *channel = &channels[frame->channel];
	uint32_t number = 0;

	if (frame->type == AGENT_RUN) {
		if (channel->pid || !frame->length || payload[frame->length - 1])
			die("the lab sent a bad request");
		run(frame->channel, frame->flags, payload, frame->length);
		return;
	}
	if (!channel->pid)
		return; /* it crossed our EXIT */
	if (frame->length >= sizeof(number))
		memcpy(&number, payload, sizeof(number));
	switch (frame->type) {
	case AGENT_STDIN:
		take_input(channel, payload, frame->length);
		break;
	case AGENT_CREDIT:
		channel->credit += number;
		pump(channel);
		break;
	case AGENT_SIGNAL:
		if (channel->pid > 0)
			kill(-channel->pid, number);
		break;
	default:
		die("the lab sent a frame of type %d", frame->type);
	}
}

/* Reads once from the port and acts on every frame that is whole. */
static void take_port(void)
{
	static char buffer[2 * (sizeof(struct agent_frame) + AGENT_MAX_PAYLOAD)];
	static size_t fill;
	struct agent_frame frame;
	size_t at = 0;
	ssize_t n = read(port, buffer + fill, sizeof(buffer) - fill);

	if (n == 0)
		die("the lab is gone");
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("the lab's port: %s", strerror(errno));
	if (n < 0)
		return;
	fill += n;
	while (fill - at >= sizeof(frame)) {
		memcpy(&frame, buffer + at, sizeof(frame));
		if (frame.length > AGENT_MAX_PAYLOAD || frame.channel >= AGENT_CHANNELS)
			die("the lab sent a bad frame");
		if (fill - at < sizeof(frame) + frame.length)
			break;
		take_frame(&frame, buffer + at + sizeof(frame));
		at += sizeof(frame) + frame.length;
	}
	memmove(buffer, buffer + at, fill - at);
	fill -= at;
}

/* Fills `polls` for every open end of every channel, three each; an end with fd -1 is skipped by poll. */
static void watch(struct pollfd *polls)
{
	for (int i = 0; i < AGENT_CHANNELS; i++, polls += 3) {
		struct channel *channel = &channels[i];
		bool read_on = channel->pid && channel->credit;

		polls[0] = (struct pollfd){ .fd = channel->pid && channel->fill ? channel->in : -1, .events = POLLOUT };
		polls[1] = (struct pollfd){ .fd = read_on ? channel->out : -1, .events = POLLIN };
		polls[2] = (struct pollfd){ .fd = read_on ? channel->err : -1, .events = POLLIN };
	}
}

int main(int argc, char **argv)
{
	struct pollfd polls[2 + 3 * AGENT_CHANNELS];
	struct signalfd_siginfo ignored;
	sigset_t child;
	int signals;

	if (argc != 2) {
		fprintf(stderr, "usage: agent PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	port = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (port < 0 || signals < 0 || chdir("/root") < 0 || mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		die("%s: %s", argv[1], strerror(errno));
	send_number(0, AGENT_READY, 0);
	for (;;) {
		polls[0] = (struct pollfd){ .fd = port, .events = POLLIN };
		polls[1] = (struct pollfd){ .fd = signals, .events = POLLIN };
		watch(polls + 2);
		if (poll(polls, 2 + 3 * AGENT_CHANNELS, -1) < 0)
			continue;
		for (int i = 0; i < 3 * AGENT_CHANNELS; i++) {
			struct channel *channel = &channels[i / 3];

			if (!polls[2 + i].revents || !channel->pid)
				continue;
			if (i % 3 == 0)
				pump_input(channel);
			else
				pump(channel);
		}
		if (polls[1].revents) {
			while (read(signals, &ignored, sizeof(ignored)) > 0)
				;
			reap();
		}
		if (polls[0].revents)
			take_port();
	}
}
