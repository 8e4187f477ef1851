
-- join: numbers for newcomers; those with a key come after the others.
local issued_before, free = tail, 0
tail = tail + numbered
-- Whoever is heard from or numbered takes a place, if it was not counted.
if KEYS.places > 0 then KEYS.places = max(KEYS.places - heard_n - numbered, 0) end
if mode <= 1 and not healing and joins + keyed_n > 0 then
  -- places_for: by the numbers that wait, and if that is not enough, by those of them who are present.
  free = max(line_max - (tail - head), 0)
  if joins + keyed_n > free and now_us - listen_us >= window_us then
    if KEYS.places < joins + keyed_n and now_us >= KEYS.counted_us + COUNTED_US then
      call('BITOP', 'OR', PRESENT_ANY, PRESENT_0, PRESENT_1, PRESENT_2)
      -- What this exchange tells is not written yet: who was heard from, and then who has finished. Nor does anybody
      -- count whose number shares a byte with those that wait.
      write_bits(PRESENT_ANY, bits, bit_n)
      local gone, n, from = {}, 0, head + 1
      for i = FINISH_NUMBERS + 1, FINISH_NUMBERS + finishes_n do
        local number = tonumber(ARGV[i])
        if number >= from and number <= issued_before then
          gone[n + 1], gone[n + 2], gone[n + 3], gone[n + 4], n = 'SET', 'u1', format('%d', number), 0, n + 4
        end
      end
      if from % 8 > 0 then
        gone[n + 1], gone[n + 2], gone[n + 3] = 'SET', format('u%d', from % 8), format('%d', from - from % 8)
        gone[n + 4], n = 0, n + 4
      end
      write_bits(PRESENT_ANY, gone, n)
      local here = call('BITCOUNT', PRESENT_ANY, format('%d', floor(from / 8)), format('%d', floor(issued_before / 8)))
      call('UNLINK', PRESENT_ANY)
      KEYS.places, KEYS.counted_us = max(line_max - here - numbered, 0), now_us
    end
    free = max(free, KEYS.places)
  end
  free = min(free, max(NUMBER_MAX - tail, 0))
end
local first, issued, keyed = tail + 1, min(joins, free), {}
tail, free = tail + issued, free - issued
