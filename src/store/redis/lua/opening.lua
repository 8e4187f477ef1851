-- close: booking ends when its time has come.
if closes_at > 0 and clock_us >= closes_at and mode ~= 2 and mode ~= 3 then
  mode, revision = 2, revision + 1
end

-- announce: before the opening, settings that were just put in force replace what was agreed of it.
if proposed and (opening ~= NO_OPENING or opens_at > 0) then
  local at_us, draws, after, _, early = struct.unpack(OPENING_FORMAT, opening)
  if early == 0 and (at_us ~= opens_at or draws ~= draw) then
    opening = opens_at == 0 and NO_OPENING
      or struct.pack(OPENING_FORMAT, opens_at, draw, at_us > 0 and after or tail, NO_COMMITMENT, 0)
  end
end

-- open: everybody counts as present, and what was heard of indices says nothing about numbers.
local awaited = false
if opening ~= NO_OPENING then
  local at_us, draws, after, commitment, early = struct.unpack(OPENING_FORMAT, opening)
  awaited = early == 0
  local unsettled = draws == 1 and commitment == NO_COMMITMENT and tail > after
  if awaited and not healing and not unsettled and clock_us >= at_us then
    awaited, touch = false, true
    opening = struct.pack(OPENING_FORMAT, at_us, draws, after, commitment, tail + 1)
    listen_us, slice_us, slice = now_us, now_us, slice + 1
    call('UNLINK', PRESENT_0, PRESENT_1, PRESENT_2)
  end
end

window_us = max(presence_us, floor(max(told_us, told_before_us) * 5 / 2))
