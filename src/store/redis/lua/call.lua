      -- How many are asking under a number above the head there was: they are read in order, some at a time, as the
      -- numbers looked up only rise.
      local ahead, ahead_at, ahead_n, ahead_of = {}, 1, 0, format('(%d', head)
      local function asking_at(number)
        local n = 0
        if number < ASKED_FIRST then return n end
        while true do
          if ahead_at > #ahead then
            if ahead_n % AHEAD_ROWS ~= 0 then return n end
            ahead = call('ZRANGEBYSCORE', ASKING_TURN, ahead_of, '+inf', 'WITHSCORES', 'LIMIT', ahead_n, AHEAD_ROWS)
            ahead_at, ahead_n = 1, ahead_n + #ahead / 2
            if #ahead == 0 then
              ahead_n = ahead_n + 1
              return n
            end
          end
          local score = tonumber(ahead[ahead_at + 1])
          if score > number then return n end
          if score == number then n = n + 1 end
          ahead_at = ahead_at + 2
        end
      end

      -- Presence is read a page at a time from each of the three slices; a page that holds nobody is followed by a
      -- search of the server's own, whose result holds until `head` gets there: before that byte there is nobody.
      local page, page_bytes, byte_found, line_found = nil, {}, {}, {-1, -1, -1}
      local function load_page(at)
        page = at
        local low, high = format('%d', page * PAGE_BYTES), format('%d', (page + 1) * PAGE_BYTES - 1)
        for i = 1, 3 do
          page_bytes[i] = call('GETRANGE', KEYS[PRESENT_FIRST + i - 1], low, high)
          byte_found[i] = 0
        end
      end

      -- The first byte from this one on that is not zero in some slice, within the page.
      local function search_page(byte)
        local at, nearest = byte - page * PAGE_BYTES + 1, nil
        for i = 1, 3 do
          local found = byte_found[i]
          if found and found < at then
            found = page_bytes[i]:find('[^%z]', at) or false
            byte_found[i] = found
          end
          if found and (not nearest or found < nearest) then nearest = found end
        end
        return nearest and page * PAGE_BYTES + nearest - 1
      end

      -- The same, anywhere up to the last number that is searched for: the tail's, or the gap's.
      local last_number = window_listened and tail or gap_last
      local function search_line(byte)
        local last_byte, nearest = floor(last_number / 8), nil
        if byte > last_byte then return nil end
        for i = 1, 3 do
          if line_found[i] and line_found[i] < byte then
            local at = call('BITPOS', KEYS[PRESENT_FIRST + i - 1], 1, format('%d', byte),
              format('%d', min(last_byte, nearest or last_byte)))
            line_found[i] = at >= 0 and floor(at / 8) or nearest or false
          end
          if line_found[i] and (not nearest or line_found[i] < nearest) then nearest = line_found[i] end
        end
        return nearest
      end

      local function next_present()
        local byte, keep = floor((head + 1) / 8), bit.rshift(255, (head + 1) % 8)
        while byte do
          if floor(byte / PAGE_BYTES) ~= page then load_page(floor(byte / PAGE_BYTES)) end
          local at = search_page(byte)
          if at == byte then
            local b = byte - page * PAGE_BYTES + 1
            local some = bit.band(keep, bit.bor(page_bytes[1]:byte(b) or 0, page_bytes[2]:byte(b) or 0,
              page_bytes[3]:byte(b) or 0))
            if some > 0 then
              local number = byte * 8
              while some < 128 do some, number = some * 2, number + 1 end
              return number <= last_number and number or nil
            end
            at = search_page(byte + 1)
          end
          byte, keep = at or search_line((page + 1) * PAGE_BYTES), 255
        end
      end

      local calls, pages, last_page = 0, 0, nil
      repeat
        if calls == CALLS_MAX then
          more = true
          break
        end
        local number = head + 1
        local at_gap = not window_listened and gap_first <= number and number <= gap_last
        if at_gap then
          -- next_from_gap: numbers in the gap are absent unless they were heard from.
          number = next_present() or gap_last + 1
          if number > tail then break end
        end
        if window_listened then
          number = next_present()
          if not number then break end
        end
        if window_listened or at_gap then
          if floor(number / PAGE_NUMBERS) ~= last_page then
            last_page, pages = floor(number / PAGE_NUMBERS), pages + 1
            if pages > PAGES_MAX then
              more = true
              break
            end
          end
        end
        head, calls = number, calls + 1
        local waiting = asking_at(number)
        if waiting > 0 then
          asking = asking + waiting
        elseif number < first + eager_n and number >= first and number < first + issued then
          eager_called_n, asking = eager_called_n + 1, asking + 1
          eager_called[eager_called_n] = number
        else
          turn_n, young = turn_n + 1, young + 1
          turns[turn_n] = number
        end
      until head >= tail or asking * 1000 + late + floor(young * share_ppm / 1000) >= wanted
      if calls > 0 then on_time_n = ASKED_FIRST > head and 0 or nil end
    end
  end
end

-- Newcomers who were called and found no credit keep the turn they got.
for i = eager_next, eager_called_n do
  turn_n = turn_n + 1
  turns[turn_n] = eager_called[i]
end
if turn_n > 0 then
  local untils, called, numbers = {}, {}, {}
  TURNS_DUE, CALLED_LAST = min(TURNS_DUE, turn_now_us + turn_us), turn_now_us
  for i = 1, turn_n do
    local member, at = format('%010d', turns[i]), i * 2
    untils[at - 1], untils[at] = turn_now_us + turn_us, member
    called[at - 1], called[at] = turn_now_us, member
    numbers[at - 1], numbers[at] = turns[i], member
    if checks_n > 0 then known[TURNS][member] = turn_now_us + turn_us end
  end
  call('ZADD', TURNS, unpack(untils))
  call('ZADD', CALLED, unpack(called))
  call('ZADD', NUMBERS, unpack(numbers))
end
