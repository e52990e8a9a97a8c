// SPDX-License-Identifier: GPL-2.0-or-later
/* The lab switch's end of a virtio-net, against a QEMU and a driver of the test's own, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/multinode/vhost.h"

#define MEMORY (256 << 10)
#define GUEST 0x100000ull /* where the memory is for the guest, and for QEMU */
#define USER 0x7f0000000000ull
#define ENTRIES 4
#define RINGS 4096 /* bytes for the rings of one queue */
#define BUFFERS (2 * RINGS) /* where buffers begin */

enum { GET_FEATURES = 1, SET_FEATURES, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR, SET_VRING_BASE };
enum { GET_VRING_BASE = 11, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ENABLE = 18 };

static struct vhost device;
static int qemu, memory_fd, kicks[2], calls[2];
static char *memory;
static struct vring rings[2]; /* as the driver sees them */
static char frame[VHOST_MAX_FRAME];

/* QEMU */

static void message(uint32_t request, const void *payload, uint32_t size, int fd)
{
	uint32_t header[3] = { request, 1, size };
	struct iovec parts[] = { { header, sizeof(header) }, { (void *)payload, size } };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr all = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd >= 0) {
		all.msg_control = control;
		all.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&all) = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&all)), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(qemu, &all, 0), sizeof(header) + size);
	vhost_read(&device);
}

static void message_number(uint32_t request, uint64_t number, int fd)
{
	message(request, &number, sizeof(number), fd);
}

static void message_state(uint32_t request, uint32_t queue, uint32_t number)
{
	struct vhost_vring_state state = { queue, number };

	message(request, &state, sizeof(state), -1);
}

static uint64_t answer(void)
{
	struct {
		uint32_t header[3], number[2];
	} reply;

	assert_int_equal(recv(qemu, &reply, sizeof(reply), 0), sizeof(reply));
	return (uint64_t)reply.number[1] << 32 | reply.number[0];
}

static void memory_table(uint64_t size, uint64_t offset)
{
	struct {
		uint32_t count, padding;
		uint64_t guest, size, user, offset;
	} table = { 1, 0, GUEST, size, USER, offset };

	message(SET_MEM_TABLE, &table, sizeof(table), memory_fd);
}

static void start(unsigned int queue, uint16_t base)
{
	struct vhost_vring_addr address = { .index = queue };

	address.desc_user_addr = USER + ((char *)rings[queue].desc - memory);
	address.avail_user_addr = USER + ((char *)rings[queue].avail - memory);
	address.used_user_addr = USER + ((char *)rings[queue].used - memory);
	message_state(SET_VRING_NUM, queue, ENTRIES);
	message_state(SET_VRING_BASE, queue, base);
	message(SET_VRING_ADDR, &address, sizeof(address), -1);
	message_number(SET_VRING_CALL, queue, calls[queue]);
	message_number(SET_VRING_KICK, queue, kicks[queue]);
	message_state(SET_VRING_ENABLE, queue, 1);
}

static void negotiate(uint64_t without)
{
	uint64_t features;

	message(GET_FEATURES, NULL, 0, -1);
	features = answer();
	message_number(SET_FEATURES, features & ~without, -1);
	memory_table(MEMORY, 0);
	start(0, 0);
	start(1, 0);
	assert_false(device.broken);
}

static int setup(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	qemu = pair[0];
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	vhost_init(&device, "n1");
	vhost_connect(&device, pair[1]);
	memory_fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(memory_fd, MEMORY), 0);
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	for (int i = 0; i < 2; i++) {
		vring_init(&rings[i], ENTRIES, memory + i * RINGS, 64);
		kicks[i] = eventfd(0, EFD_NONBLOCK);
		calls[i] = eventfd(0, EFD_NONBLOCK);
	}
	return 0;
}

static int teardown(void **state)
{
	vhost_close(&device);
	munmap(memory, MEMORY);
	close(memory_fd);
	close(qemu);
	for (int i = 0; i < 2; i++) {
		close(kicks[i]);
		close(calls[i]);
	}
	return 0;
}

/* The driver */

static uint64_t buffer(unsigned int number)
{
	return BUFFERS + number * 1024;
}

static void descriptor(unsigned int queue, unsigned int number, uint64_t offset, uint32_t size, uint16_t flags)
{
	rings[queue].desc[number] = (struct vring_desc){ GUEST + offset, size, flags, number + 1 };
}

static void available(unsigned int queue, uint16_t head)
{
	rings[queue].avail->ring[rings[queue].avail->idx % ENTRIES] = head;
	rings[queue].avail->idx++;
}

static bool called(unsigned int queue)
{
	eventfd_t count;

	vhost_call(&device);
	return eventfd_read(calls[queue], &count) == 0;
}

static void assert_broken(void)
{
	assert_int_equal(vhost_take(&device, frame), 0);
	assert_true(device.broken);
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_REFUSED);
	vhost_call(&device);
}

static void test_frames_are_taken(void **state)
{
	struct vring_desc table[2] = { { GUEST + buffer(0), 12, VRING_DESC_F_NEXT, 1 },
				       { GUEST + buffer(1), 1000, 0, 0 } };

	negotiate(0);
	assert_int_equal(vhost_take(&device, frame), 0);
	descriptor(1, 0, buffer(0), 12, VRING_DESC_F_NEXT);
	descriptor(1, 1, buffer(1), 1000, 0);
	memset(memory + buffer(1), 0x5a, 1000);
	available(1, 0);
	assert_int_equal(vhost_take(&device, frame), 1012);
	assert_true(frame[12] == 0x5a && frame[1011] == 0x5a);
	memcpy(memory + buffer(2), table, sizeof(table));
	descriptor(1, 2, buffer(2), sizeof(table), VRING_DESC_F_INDIRECT);
	available(1, 2);
	assert_int_equal(vhost_take(&device, frame), 1012);
	assert_int_equal(vhost_take(&device, frame), 0);
	assert_int_equal(rings[1].used->idx, 2);
	assert_int_equal(rings[1].used->ring[1].id, 2);
	assert_int_equal(vring_avail_event(&rings[1]), 2);
}

static void test_the_driver_is_called_when_it_wants_to_be(void **state)
{
	negotiate(0);
	called(1);
	descriptor(1, 0, buffer(0), 100, 0);
	vring_used_event(&rings[1]) = 1;
	available(1, 0);
	assert_int_equal(vhost_take(&device, frame), 100);
	assert_false(called(1));
	vring_used_event(&rings[1]) = 0; /* as seen late */
	assert_true(called(1));
	vring_used_event(&rings[1]) = 1;
	available(1, 0);
	assert_int_equal(vhost_take(&device, frame), 100);
	assert_true(called(1));
	assert_false(called(1));
}

static void test_a_frame_fills_several_buffers_or_none(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf *header = (void *)(memory + buffer(0));

	negotiate(0);
	memset(frame, 0, VHOST_HEADER);
	memset(frame + VHOST_HEADER, 0x77, 2000);
	for (int i = 0; i < 2; i++) {
		descriptor(0, i, buffer(i), 1024, VRING_DESC_F_WRITE);
		assert_int_equal(vhost_give(&device, frame, 2000), VHOST_LATER);
		assert_int_equal(rings[0].used->idx, 0);
		assert_int_equal(vring_avail_event(&rings[0]), i);
		available(0, i);
	}
	assert_int_equal(vhost_give(&device, frame, 2000), VHOST_GIVEN);
	assert_int_equal(header->num_buffers, 2);
	assert_int_equal(rings[0].used->idx, 2);
	assert_int_equal(rings[0].used->ring[1].len, 2000 - 1024);
	assert_int_equal(memory[buffer(1) + 2000 - 1024 - 1], 0x77);
	assert_true(called(0));
}

static void test_a_stopped_ring_goes_on_where_it_was(void **state)
{
	negotiate(0);
	descriptor(0, 0, buffer(0), 1024, VRING_DESC_F_WRITE);
	available(0, 0);
	available(0, 0);
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_GIVEN);
	message_state(GET_VRING_BASE, 0, 0);
	assert_int_equal(answer() >> 32, 1);
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_LATER);
	start(0, 1);
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_GIVEN);
	assert_int_equal(rings[0].used->idx, 2);
}

static void test_a_frame_with_offloads_needs_a_driver_for_them(void **state)
{
	struct virtio_net_hdr header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	negotiate(1ull << VIRTIO_NET_F_GUEST_CSUM);
	descriptor(0, 0, buffer(0), 1024, VRING_DESC_F_WRITE);
	available(0, 0);
	memcpy(frame, &header, sizeof(header));
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_REFUSED);
	memset(frame, 0, sizeof(header));
	assert_int_equal(vhost_give(&device, frame, 100), VHOST_GIVEN);
}

/* Spoils what the driver is about to send in one of so many ways. */
#define SPOILS 13

static void spoil(unsigned int how)
{
	struct vring_desc *desc = rings[1].desc;

	switch (how) {
	case 0:
		desc->addr = GUEST + MEMORY - 99;
		break;
	case 1:
		desc->addr = GUEST - 1;
		break;
	case 2:
		desc->addr = UINT64_MAX - 50;
		break;
	case 3:
		desc->len = UINT32_MAX;
		break;
	case 4:
		desc->len = 12 + 13;
		break;
	case 5:
		desc->flags = VRING_DESC_F_WRITE;
		break;
	case 6:
		desc->flags = VRING_DESC_F_NEXT;
		desc->next = 0;
		break;
	case 7:
		desc->flags = VRING_DESC_F_NEXT;
		desc->next = ENTRIES;
		break;
	case 8:
		rings[1].avail->ring[0] = ENTRIES;
		break;
	case 9:
		rings[1].avail->idx = ENTRIES + 1;
		break;
	case 10: /* an indirect table of a table, which is the same */
		memcpy(memory + buffer(0), desc, sizeof(*desc));
		*(struct vring_desc *)(memory + buffer(0)) =
			(struct vring_desc){ GUEST + buffer(0), 16, VRING_DESC_F_INDIRECT, 0 };
		*desc = (struct vring_desc){ GUEST + buffer(0), 16, VRING_DESC_F_INDIRECT, 0 };
		break;
	case 11:
		desc->flags = VRING_DESC_F_INDIRECT; /* its size is no multiple of a descriptor's */
		break;
	default:
		desc->flags = VRING_DESC_F_INDIRECT;
		desc->len = 0;
	}
}

static void test_a_driver_that_breaks_the_rules(void **state)
{
	for (unsigned int how = 0; how < SPOILS; how++) {
		negotiate(0);
		descriptor(1, 0, buffer(0), 100, 0);
		available(1, 0);
		spoil(how);
		assert_broken();
		teardown(NULL);
		setup(NULL);
	}
}

static void test_bad_receive_buffers(void **state)
{
	static const struct {
		uint32_t size;
		uint16_t flags;
	} bad[] = { { 1024, 0 }, { 11, VRING_DESC_F_WRITE }, { MEMORY, VRING_DESC_F_WRITE } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		negotiate(0);
		descriptor(0, 0, buffer(0), bad[i].size, bad[i].flags);
		available(0, 0);
		assert_int_equal(vhost_give(&device, frame, 100), VHOST_REFUSED);
		assert_broken();
		teardown(NULL);
		setup(NULL);
	}
	negotiate(0);
	descriptor(0, 0, buffer(0), 20, VRING_DESC_F_WRITE);
	for (int i = 0; i < ENTRIES; i++)
		available(0, 0);
	assert_int_equal(vhost_give(&device, frame, 20 * ENTRIES + 1), VHOST_REFUSED);
	assert_broken();
}

static void bad_message(unsigned int which)
{
	static const char garbage[512];

	switch (which) {
	case 0:
		message_number(99, 0, -1);
		break;
	case 1:
		message(GET_FEATURES, garbage, sizeof(garbage), -1);
		break;
	case 2:
		memory_table(MEMORY + 1, 0);
		break;
	case 3:
		memory_table(MEMORY, 1);
		break;
	case 4:
		memory_table(UINT64_MAX, 4096);
		break;
	case 5: /* the rings are no longer in the memory */
		memory_table(4096, 0);
		break;
	case 6:
		message_number(SET_MEM_TABLE, 9, -1);
		break;
	case 7:
		message_state(SET_VRING_NUM, 2, ENTRIES);
		break;
	case 8:
		message_state(GET_VRING_BASE, UINT32_MAX, 0);
		break;
	case 9:
		message_number(SET_VRING_KICK, 5, kicks[0]);
		break;
	case 10:
		message_number(SET_VRING_KICK, 0x100, -1);
		break;
	default:
		message_number(SET_FEATURES, UINT64_MAX, -1);
	}
}

static void test_messages_that_are_none(void **state)
{
	for (unsigned int which = 0; which < 12; which++) {
		negotiate(0);
		bad_message(which);
		assert_broken();
		teardown(NULL);
		setup(NULL);
	}
}

static void test_an_end_is_no_offence(void **state)
{
	negotiate(0);
	shutdown(qemu, SHUT_RDWR);
	vhost_read(&device);
	assert_broken();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frames_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_driver_is_called_when_it_wants_to_be, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_frame_fills_several_buffers_or_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_stopped_ring_goes_on_where_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_frame_with_offloads_needs_a_driver_for_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_driver_that_breaks_the_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_receive_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_end_is_no_offence, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
