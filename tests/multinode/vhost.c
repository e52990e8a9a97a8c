// SPDX-License-Identifier: GPL-2.0-or-later
#include "vhost.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_QUEUE 1024
#define VHOST_USER_F_PROTOCOL_FEATURES 30 /* of which there are none here, but QEMU's net starts no ring without it */
#define BIT(n) (1ull << (n))

/* A frame that leaves work to the device needs a driver with all of these. */
#define OFFLOADS                                                                                                       \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |                  \
	 BIT(VIRTIO_NET_F_GUEST_ECN))
#define REQUIRED (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_RING_F_EVENT_IDX))
#define FEATURES                                                                                                       \
	(REQUIRED | OFFLOADS | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |    \
	 BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |                       \
	 BIT(VHOST_USER_F_PROTOCOL_FEATURES))

enum request {
	GET_FEATURES = 1,
	SET_FEATURES,
	SET_OWNER,
	RESET_OWNER,
	SET_MEM_TABLE,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR,
	SET_VRING_BASE,
	GET_VRING_BASE,
	SET_VRING_KICK,
	SET_VRING_CALL,
	SET_VRING_ERR,
	GET_PROTOCOL_FEATURES,
	SET_PROTOCOL_FEATURES,
	SET_VRING_ENABLE = 18,
};

/* The header's flags, and the payload of the messages that carry a file descriptor */
#define VERSION 1
#define VERSION_MASK 3
#define REPLY 4
#define NO_FD 0x100

/* The rest of a descriptor chain. Its length is bounded, since a guest may make it a ring. */
struct chain {
	const volatile struct vring_desc *table;
	uint32_t size, left;
	uint32_t next;
	bool indirect, end; /* in an indirect table; after the last descriptor */
};

struct piece {
	char *data;
	size_t size;
};

static bool broke(struct vhost *device, const char *how)
{
	if (!device->broken)
		fprintf(stderr, "switch: %s is disconnected: %s\n", device->name, how);
	device->broken = true;
	return false;
}

/* Memory */

enum whose { GUEST, USER };

/* Where an address of the guest's or of QEMU's is here; NULL if the memory is not all there. */
static void *memory_at(const struct vhost *device, enum whose whose, uint64_t address, uint64_t size)
{
	for (unsigned int i = 0; i < device->region_count; i++) {
		const struct vhost_region *region = &device->regions[i];
		uint64_t base = whose == GUEST ? region->guest : region->user;

		if (address >= base && size <= region->size && address - base <= region->size - size)
			return region->memory + (address - base);
	}
	return NULL;
}

static void unmap_memory(struct vhost *device)
{
	for (unsigned int i = 0; i < device->region_count; i++)
		munmap(device->regions[i].map, device->regions[i].map_size);
	device->region_count = 0;
}

static bool map_queue(struct vhost *device, struct vhost_queue *queue)
{
	struct vring *vring = &queue->vring;
	size_t avail_size = sizeof(*vring->avail) + (vring->num + 1) * sizeof(__virtio16);
	size_t used_size = sizeof(*vring->used) + vring->num * sizeof(vring_used_elem_t) + sizeof(__virtio16);

	vring->desc = memory_at(device, USER, queue->address.desc_user_addr, vring->num * sizeof(*vring->desc));
	vring->avail = memory_at(device, USER, queue->address.avail_user_addr, avail_size);
	vring->used = memory_at(device, USER, queue->address.used_user_addr, used_size);
	if (!vring->num || !vring->desc || !vring->avail || !vring->used ||
	    (uintptr_t)vring->avail % VRING_AVAIL_ALIGN_SIZE || (uintptr_t)vring->used % VRING_USED_ALIGN_SIZE)
		return broke(device, "a ring is not in its memory");
	return true;
}

static bool map_memory(struct vhost *device)
{
	typeof(device->message.payload.memory) *table = &device->message.payload.memory;
	unsigned int count = table->count;

	unmap_memory(device);
	if (count > VHOST_MAX_REGIONS || device->fd_count != count ||
	    device->message.header.size != (char *)&table->regions[count] - (char *)table)
		return broke(device, "a bad memory table");
	for (unsigned int i = 0; i < count; i++) {
		typeof(table->regions[0]) *wanted = &table->regions[i];
		struct vhost_region *region = &device->regions[i];
		struct stat file;

		/* A file that is shorter than its mapping would end the switch by a signal. */
		if (fstat(device->fds[i], &file) < 0 || wanted->offset > (uint64_t)file.st_size ||
		    wanted->size > (uint64_t)file.st_size - wanted->offset)
			return broke(device, "a memory region is not in its file");
		region->guest = wanted->guest;
		region->user = wanted->user;
		region->size = wanted->size;
		region->map_size = wanted->offset + wanted->size;
		region->map = mmap(NULL, region->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
				   device->fds[i], 0);
		if (region->map == MAP_FAILED)
			return broke(device, strerror(errno));
		region->memory = (char *)region->map + wanted->offset;
		device->region_count++;
	}
	return (device->receive.kick < 0 || map_queue(device, &device->receive)) &&
	       (device->transmit.kick < 0 || map_queue(device, &device->transmit));
}

/* Rings. Their fields are little-endian, as all machines that run this are. */

static bool queue_runs(const struct vhost_queue *queue)
{
	return queue->kick >= 0 && queue->enabled;
}

/* Whether the driver has made available more than `taken` entries. If not, it will kick when it has. */
static bool queue_has(struct vhost *device, struct vhost_queue *queue, uint16_t taken)
{
	uint16_t *idx = &queue->vring.avail->idx;
	uint16_t there = __atomic_load_n(idx, __ATOMIC_ACQUIRE) - queue->next;

	if (there <= taken) {
		__atomic_store_n(&vring_avail_event(&queue->vring), queue->next + there, __ATOMIC_RELAXED);
		/* The driver writes idx, then looks whether to kick: one of the two must see what the other wrote. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		there = __atomic_load_n(idx, __ATOMIC_ACQUIRE) - queue->next;
	}
	return there <= queue->vring.num ? there > taken : broke(device, "more is available than its ring holds");
}

/* The chain `taken` entries after the next; returns its head. */
static uint16_t queue_chain(struct vhost_queue *queue, uint16_t taken, struct chain *chain)
{
	uint16_t slot = (uint16_t)(queue->next + taken) % queue->vring.num;
	uint16_t head = __atomic_load_n(&queue->vring.avail->ring[slot], __ATOMIC_RELAXED);

	*chain = (struct chain){ .table = queue->vring.desc, .size = queue->vring.num, .left = queue->vring.num };
	chain->next = head;
	return head;
}

static bool chain_enter(struct vhost *device, struct chain *chain, const struct vring_desc *table)
{
	uint32_t count = table->len / sizeof(*table);

	chain->table = memory_at(device, GUEST, table->addr, table->len);
	if (!chain->table || chain->indirect || table->len % sizeof(*table))
		return broke(device, "a bad table of indirect descriptors");
	chain->size = chain->left = count < MAX_QUEUE ? count : MAX_QUEUE;
	chain->next = 0;
	chain->indirect = true;
	return true;
}

/* Returns whether there is another piece of the chain's memory. `write` is VRING_DESC_F_WRITE if it is to be written. */
static bool chain_next(struct vhost *device, struct chain *chain, uint16_t write, struct piece *piece)
{
	struct vring_desc desc;

	if (chain->end)
		return false;
	for (;;) {
		if (chain->next >= chain->size || !chain->left--)
			return broke(device, "a bad chain of descriptors");
		desc.addr = chain->table[chain->next].addr;
		desc.len = chain->table[chain->next].len;
		desc.flags = chain->table[chain->next].flags;
		desc.next = chain->table[chain->next].next;
		if (!(desc.flags & VRING_DESC_F_INDIRECT))
			break;
		if (!chain_enter(device, chain, &desc))
			return false;
	}
	if ((desc.flags & VRING_DESC_F_WRITE) != write)
		return broke(device, "a buffer is for the other direction");
	chain->next = desc.next;
	chain->end = !(desc.flags & VRING_DESC_F_NEXT);
	piece->data = memory_at(device, GUEST, desc.addr, desc.len);
	piece->size = desc.len;
	return piece->data || broke(device, "a buffer is not in its memory");
}

/* Fills the used ring's entry, `ahead` of those that the driver sees. */
static void queue_use(struct vhost_queue *queue, uint16_t ahead, uint16_t head, uint32_t written)
{
	struct vring_used_elem *element = &queue->vring.used->ring[(uint16_t)(queue->used + ahead) % queue->vring.num];

	element->id = head;
	element->len = written;
}

static void queue_publish(struct vhost_queue *queue, uint16_t count)
{
	queue->next += count;
	queue->used += count;
	__atomic_store_n(&queue->vring.used->idx, queue->used, __ATOMIC_RELEASE);
}

static bool queue_call(struct vhost_queue *queue)
{
	bool active = queue->used != queue->looked;
	uint16_t event;

	queue->looked = queue->used;
	if (queue->kick < 0 || queue->used == queue->called)
		return active;
	/* As in queue_has(), with the used ring's index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n(&vring_used_event(&queue->vring), __ATOMIC_RELAXED);
	if (queue->call >= 0 && vring_need_event(event, queue->used, queue->called)) {
		eventfd_write(queue->call, 1);
		queue->called = queue->used;
	}
	return active;
}

bool vhost_call(struct vhost *device)
{
	bool received, transmitted;

	if (device->broken)
		return false;
	received = queue_call(&device->receive);
	transmitted = queue_call(&device->transmit);
	return received || transmitted;
}

void vhost_kicked(int kick)
{
	eventfd_t count;

	eventfd_read(kick, &count);
}

/* Frames */

size_t vhost_take(struct vhost *device, char frame[static VHOST_MAX_FRAME])
{
	struct vhost_queue *queue = &device->transmit;
	struct chain chain;
	struct piece piece;
	size_t size = 0;
	uint16_t head;

	if (device->broken || !queue_runs(queue) || !queue_has(device, queue, 0))
		return 0;
	head = queue_chain(queue, 0, &chain);
	while (chain_next(device, &chain, 0, &piece)) {
		if (piece.size > VHOST_MAX_FRAME - size)
			return broke(device, "a frame is too long");
		memcpy(frame + size, piece.data, piece.size);
		size += piece.size;
	}
	if (!device->broken && size < VHOST_HEADER + ETH_HLEN)
		broke(device, "a frame is too short");
	if (device->broken)
		return 0;
	queue_use(queue, 0, head, 0);
	queue_publish(queue, 1);
	return size;
}

/* Whether the driver knows what to do with the frame. */
static bool takes_header(const struct vhost *device, const char *frame)
{
	struct virtio_net_hdr header;

	memcpy(&header, frame, sizeof(header));
	return (device->features & OFFLOADS) == OFFLOADS ||
	       (!header.flags && header.gso_type == VIRTIO_NET_HDR_GSO_NONE);
}

/* As many buffers as it needs, all of which the driver sees at once. */
enum vhost_given vhost_give(struct vhost *device, const char *frame, size_t size)
{
	struct vhost_queue *queue = &device->receive;
	struct chain chain;
	struct piece piece;
	char *header = NULL;
	uint16_t head, count = 0;
	size_t done = 0, start;

	if (device->broken)
		return VHOST_REFUSED;
	if (!queue_runs(queue))
		return VHOST_LATER;
	if (!takes_header(device, frame))
		return VHOST_REFUSED;
	for (; done < size; count++) {
		if (count == queue->vring.num)
			broke(device, "all its buffers together are too small for a frame");
		if (device->broken || !queue_has(device, queue, count))
			return device->broken ? VHOST_REFUSED : VHOST_LATER;
		head = queue_chain(queue, count, &chain);
		start = done;
		while (done < size && chain_next(device, &chain, VRING_DESC_F_WRITE, &piece)) {
			if (piece.size > size - done)
				piece.size = size - done;
			memcpy(piece.data, frame + done, piece.size);
			if (!done && piece.size < VHOST_HEADER)
				broke(device, "a buffer is too small for a frame's header");
			if (!done)
				header = piece.data;
			done += piece.size;
		}
		queue_use(queue, count, head, done - start);
	}
	if (device->broken)
		return VHOST_REFUSED;
	memcpy(header + offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &count, sizeof(count));
	queue_publish(queue, count);
	return VHOST_GIVEN;
}

/* Messages */

static void reset_fd(int *fd, int value)
{
	if (*fd >= 0)
		close(*fd);
	*fd = value;
}

static void queue_stop(struct vhost_queue *queue)
{
	queue_call(queue);
	reset_fd(&queue->kick, -1);
}

static bool queue_start(struct vhost *device, struct vhost_queue *queue, int kick)
{
	reset_fd(&queue->kick, kick);
	if ((device->features & REQUIRED) != REQUIRED)
		return broke(device, "its driver is too old");
	if (!map_queue(device, queue))
		return false;
	queue->used = queue->looked = queue->called = __atomic_load_n(&queue->vring.used->idx, __ATOMIC_RELAXED);
	return true;
}

static bool reply(struct vhost *device, size_t size)
{
	struct vhost_message *message = &device->message;
	struct iovec parts[] = { { &message->header, sizeof(message->header) }, { &message->payload, size } };

	message->header.flags = VERSION | REPLY;
	message->header.size = size;
	return writev(device->fd, parts, 2) == (ssize_t)(sizeof(message->header) + size) ||
	       broke(device, "it does not take replies");
}

/* The queue that a message is about. */
static struct vhost_queue *message_queue(struct vhost *device, uint64_t index)
{
	if (index > 1)
		broke(device, "a message about an unknown ring");
	return index ? &device->transmit : &device->receive;
}

static bool obey_vring(struct vhost *device)
{
	struct vhost_vring_state *state = &device->message.payload.state;
	struct vhost_queue *queue = message_queue(device, state->index);

	if (device->broken)
		return false;
	switch (device->message.header.request) {
	case SET_VRING_NUM:
		if (!state->num || state->num > MAX_QUEUE || state->num & (state->num - 1) || queue->kick >= 0)
			return broke(device, "a bad size of a ring");
		queue->vring.num = state->num;
		return true;
	case SET_VRING_BASE:
		queue->next = state->num;
		return true;
	case GET_VRING_BASE:
		queue_stop(queue);
		state->num = queue->next;
		return reply(device, sizeof(*state));
	case SET_VRING_ENABLE:
		queue->enabled = state->num;
		return true;
	default: /* SET_VRING_ADDR */
		queue->address = device->message.payload.address;
		return queue->kick < 0 || map_queue(device, queue);
	}
}

/* Takes the message's file descriptor, -1 if it has none. */
static int message_fd(struct vhost *device)
{
	int fd;

	if (device->message.payload.number & NO_FD || !device->fd_count)
		return -1;
	fd = device->fds[0];
	device->fds[0] = -1;
	return fd;
}

static bool obey_fd(struct vhost *device)
{
	struct vhost_queue *queue = message_queue(device, device->message.payload.number & 0xff);
	int fd = message_fd(device);

	if (device->message.header.request == SET_VRING_KICK && fd >= 0 && !device->broken)
		return queue_start(device, queue, fd);
	if (device->message.header.request == SET_VRING_CALL && !device->broken) {
		reset_fd(&queue->call, fd);
		/* What was used before may have been called in vain. */
		if (fd >= 0 && queue->kick >= 0)
			eventfd_write(fd, 1);
		return true;
	}
	if (fd >= 0)
		close(fd);
	return device->message.header.request == SET_VRING_ERR || broke(device, "a ring without kicks");
}

static bool obey(struct vhost *device)
{
	struct vhost_message *message = &device->message;

	switch (message->header.request) {
	case GET_FEATURES:
		message->payload.number = FEATURES;
		return reply(device, sizeof(message->payload.number));
	case SET_FEATURES:
		device->features = message->payload.number;
		return !(device->features & ~FEATURES) || broke(device, "features that were not offered");
	case GET_PROTOCOL_FEATURES:
		message->payload.number = 0;
		return reply(device, sizeof(message->payload.number));
	case SET_OWNER:
	case SET_PROTOCOL_FEATURES:
		return true;
	case RESET_OWNER:
		queue_stop(&device->receive);
		queue_stop(&device->transmit);
		return true;
	case SET_MEM_TABLE:
		return map_memory(device);
	case SET_VRING_NUM:
	case SET_VRING_ADDR:
	case SET_VRING_BASE:
	case GET_VRING_BASE:
	case SET_VRING_ENABLE:
		return obey_vring(device);
	case SET_VRING_KICK:
	case SET_VRING_CALL:
	case SET_VRING_ERR:
		return obey_fd(device);
	default:
		return broke(device, "an unknown message");
	}
}

static void close_fds(struct vhost *device)
{
	for (unsigned int i = 0; i < device->fd_count; i++)
		reset_fd(&device->fds[i], -1);
	device->fd_count = 0;
}

static bool keep_fds(struct vhost *device, struct msghdr *header)
{
	for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		const char *data = (const char *)CMSG_DATA(control);

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
			if (device->fd_count < VHOST_MAX_REGIONS)
				device->fds[device->fd_count++] = fd;
			else
				close(fd);
		}
	}
	return !(header->msg_flags & MSG_CTRUNC) || broke(device, "a message with too many files");
}

/* Reads on, up to the message's first `end` bytes; returns whether they are there. */
static bool receive(struct vhost *device, void *part, size_t begin, size_t end)
{
	char control[CMSG_SPACE(sizeof(device->fds))] __attribute__((aligned(8)));
	struct iovec rest = { (char *)part + device->fill - begin, end - device->fill };
	struct msghdr header = {
		.msg_iov = &rest, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t n;

	if (device->fill == end)
		return true;
	n = recvmsg(device->fd, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		device->broken = true; /* its QEMU has ended, which is no offence */
		return false;
	}
	device->fill += n;
	return keep_fds(device, &header) && device->fill == end;
}

static bool receive_message(struct vhost *device)
{
	struct vhost_message *message = &device->message;
	size_t header = sizeof(message->header);

	if (device->fill < header && !receive(device, &message->header, 0, header))
		return false;
	if (message->header.size > sizeof(message->payload) || (message->header.flags & VERSION_MASK) != VERSION)
		return broke(device, "a malformed message");
	return receive(device, &message->payload, header, header + message->header.size);
}

void vhost_read(struct vhost *device)
{
	if (device->broken || !receive_message(device))
		return;
	obey(device);
	close_fds(device);
	memset(&device->message, 0, sizeof(device->message));
	device->fill = 0;
}

/* From nothing to a device, and back */

void vhost_init(struct vhost *device, const char *name)
{
	*device = (struct vhost){ .name = name, .fd = -1 };
	device->receive.kick = device->receive.call = device->transmit.kick = device->transmit.call = -1;
}

void vhost_connect(struct vhost *device, int fd)
{
	device->fd = fd;
}

void vhost_close(struct vhost *device)
{
	unmap_memory(device);
	close_fds(device);
	reset_fd(&device->receive.kick, -1);
	reset_fd(&device->receive.call, -1);
	reset_fd(&device->transmit.kick, -1);
	reset_fd(&device->transmit.call, -1);
	reset_fd(&device->fd, -1);
	vhost_init(device, device->name);
}
