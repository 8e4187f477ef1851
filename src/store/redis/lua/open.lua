-- open: everybody counts as present, and what was heard of indices says nothing about numbers. Whoever came before is
-- early, with a number or without one.
local awaited = false
if opening ~= NO_OPENING then
  local at_us, draws, after, commitment, early = struct.unpack(OPENING_FORMAT, opening)
  awaited = early == 0
  local unsettled = draws == 1 and commitment == NO_COMMITMENT and tail + numbered > after
  if awaited and not healing and not unsettled and clock_us >= at_us then
    awaited, touch, heard_n = false, true, 0
    opening = struct.pack(OPENING_FORMAT, at_us, draws, after, commitment, tail + numbered + 1)
    listen_us, slice_us, slice, KEYS.places, KEYS.counted_us = now_us, now_us, slice + 1, 0, 0
    call('UNLINK', PRESENT_0, PRESENT_1, PRESENT_2)
  end
end

-- settle_stubs: an exchange that leaves some without numbers counts as healing: whoever comes now queues behind them.
if leaves_stubs then healing, more = true, true end

window_us = max(presence_us, floor(max(told_us, told_before_us) * 5 / 2))

