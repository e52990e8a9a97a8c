/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost - a node's virtio-net as its vhost-user backend sees it: QEMU's messages, the guest's memory, two virtqueues.
 *
 * A frame here is a virtio_net_hdr_mrg_rxbuf and the Ethernet frame. All devices offer the same features, so what one
 * guest sends, a header that leaves checksum and segmentation to the device included, is what another may receive.
 *
 * What a guest gives (addresses, lengths, indices) is checked before each use, and read once. A device that breaks the
 * rules says so on stderr and is `broken`: it takes and gives nothing more, and waits for vhost_close().
 *
 * One thread calls all of this. None of it blocks.
 */
#ifndef VHOST_H
#define VHOST_H

#include <linux/vhost_types.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHOST_HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define VHOST_MAX_FRAME (VHOST_HEADER + 65536 + 64) /* a segment of the greatest IP packet, and some VLAN tags */
#define VHOST_MAX_REGIONS 8 /* what QEMU sends without being told more */

struct vhost_message {
	struct {
		uint32_t request, flags, size;
	} header;
	union {
		uint64_t number;
		struct vhost_vring_state state;
		struct vhost_vring_addr address;
		struct {
			uint32_t count, padding;
			struct {
				uint64_t guest, size, user, offset;
			} regions[VHOST_MAX_REGIONS];
		} memory;
	} payload;
};

struct vhost_region {
	uint64_t guest, user, size; /* where it is for the guest and for QEMU */
	char *memory; /* where it is here */
	void *map;
	size_t map_size;
};

struct vhost_queue {
	struct vring vring; /* its pointers are valid while kick is */
	struct vhost_vring_addr address;
	uint16_t next; /* the available ring's entry to be taken next */
	uint16_t used; /* the used ring's index */
	uint16_t looked, called; /* what that was at the last vhost_call(), and when the driver was last interrupted */
	bool enabled;
	int kick, call; /* -1: none; the queue is stopped while kick is */
};

struct vhost {
	const char *name;
	int fd; /* -1: not connected */
	bool broken;
	uint64_t features; /* that the driver has accepted */
	struct vhost_region regions[VHOST_MAX_REGIONS];
	unsigned int region_count;
	struct vhost_queue receive, transmit; /* as the guest calls them */
	struct vhost_message message; /* being read; `fill` bytes are there */
	size_t fill;
	int fds[VHOST_MAX_REGIONS]; /* that came with it */
	unsigned int fd_count;
};

enum vhost_given {
	VHOST_GIVEN,
	VHOST_LATER, /* the guest has no buffers for it; receive.kick tells when it has */
	VHOST_REFUSED, /* the guest cannot have it */
};

/* Makes a device that is not connected. */
void vhost_init(struct vhost *device, const char *name);

/* A QEMU has connected on `fd`, which is non-blocking and now the device's; it had none. */
void vhost_connect(struct vhost *device, int fd);

/* Disconnects it and lets go of the guest's memory. */
void vhost_close(struct vhost *device);

/* Reads and obeys one message; to be called when fd is readable. */
void vhost_read(struct vhost *device);

/* A kick has come: `kick` is the receive or transmit queue's, and is readable. */
void vhost_kicked(int kick);

/* Takes the next frame that the guest sends, of at least an Ethernet header; returns its size, or 0 if none is there. */
size_t vhost_take(struct vhost *device, char frame[static VHOST_MAX_FRAME]);

enum vhost_given vhost_give(struct vhost *device, const char *frame, size_t size);

/*
 * Interrupts the guest for what was taken and given, unless it does not want that. Returns whether anything was since
 * the last time.
 *
 * QEMU leaves out the memory barriers of a guest's only CPU when it emulates. What the guest writes may then be seen
 * here after the guest has looked at what was written here, and a kick or call is missed. So whoever has been told or
 * has done something tries to take, give and call once more a little later.
 */
bool vhost_call(struct vhost *device);

#endif
