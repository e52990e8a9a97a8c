# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of a cluster, and the file that they are in."""

import hashlib
import hmac

KEY = bytes(range(32))
OTHER_KEY = bytes(range(100, 132))


def key_id(key):
    return hmac.new(key, b"ramster authkey id", hashlib.sha256).hexdigest()[:8]


def key_file(*keys):
    return "ramster authkey 1\n" + "".join(f"key {key.hex()}\n" for key in keys)
