"""Checks a draw by hand: python3 verify_draw.py INDEX... < draw.json"""
import hashlib, json, math, sys

draw = json.load(sys.stdin)
assert draw["algorithm"] == "anteroom-draw-1" and draw["seed"], "not open yet"
seed = bytes.fromhex(draw["seed"])
assert hashlib.sha256(seed).hexdigest() == draw["commitment"], "the seed was changed"
first, n = draw["first"], draw["last"] - draw["first"] + 1
a = max(math.isqrt(n) + (math.isqrt(n) ** 2 < n), 1)
b = max(-(-n // a), 1)

def f(step, v):
    return int.from_bytes(hashlib.sha256(seed + bytes([step]) + v.to_bytes(8, "big")).digest()[:8], "big")

for index in map(int, sys.argv[1:]):
    x = index - first
    while True:
        l, r = divmod(x, b)
        for step in range(0, 24, 2):
            l = (l + f(step, r)) % a
            r = (r + f(step + 1, l)) % b
        x = l * b + r
        if x < n:
            break
    print(index, first + x)
