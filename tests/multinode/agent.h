/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.h - what the lab and the agent in a node say to each other over a virtio-serial port.
 *
 * Frames in both directions: this header, little-endian, then `length` bytes. Many commands run at once, each on a
 * channel that the lab chooses and that is free again after EXIT or ERROR. Data is sent only against credit, so that
 * a slow reader on one channel never holds up another.
 */
#ifndef LAB_AGENT_H
#define LAB_AGENT_H

#include <stdint.h>

#define AGENT_CHANNELS 32
#define AGENT_MAX_PAYLOAD 32768 /* bytes after the header */
#define AGENT_STDIN_CREDIT 16384 /* bytes that the lab may send on a new channel */
#define AGENT_OUTPUT_CREDIT 131072 /* bytes of output that the agent may send on a new channel */
#define AGENT_MAX_ARGUMENTS 255

struct agent_frame {
	uint32_t length;
	uint16_t channel;
	uint8_t type;
	uint8_t flags; /* RUN: enum agent_run_flags; else 0 */
};
_Static_assert(sizeof(struct agent_frame) == 8, "a frame header has 8 bytes");

enum agent_frame_type {
	AGENT_READY = 1, /* to the lab: the node is up. Channel 0 */
	AGENT_RUN, /* to the agent: the arguments of a command, each ended by a NUL */
	AGENT_STDIN, /* to the agent: input; no bytes: end of input */
	AGENT_STDOUT, /* to the lab */
	AGENT_STDERR, /* to the lab */
	AGENT_CREDIT, /* both: 32 bits, so many more bytes may be sent */
	AGENT_SIGNAL, /* to the agent: 32 bits, sent to the command's process group */
	AGENT_EXIT, /* to the lab: 32 bits, the exit status as a shell has it */
	AGENT_ERROR, /* to the lab: why the command could not be started */
};

enum agent_run_flags {
	AGENT_RUN_DETACHED = 1, /* EXIT comes at once; output goes to the console */
	AGENT_RUN_TERMINAL = 2, /* on a pseudo-terminal */
};

#endif
