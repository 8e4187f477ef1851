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

