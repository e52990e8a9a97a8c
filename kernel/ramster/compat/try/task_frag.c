// SPDX-License-Identifier: GPL-2.0
#include <net/sock.h>

void try_task_frag(struct sock *sk);
void try_task_frag(struct sock *sk)
{
	sk->sk_use_task_frag = false;
}
