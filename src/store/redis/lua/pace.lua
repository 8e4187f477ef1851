
-- How many of those asking have been called and are on time; known until somebody asks, enters or is called.
local function asking_on_time()
  local n = lengths.on_time
  if not n then
    n = call('ZCOUNT', ASKING_TURN, '-inf', head)
    lengths.on_time = n
  end
  return n
end

-- enter: those asking go in as far as credit and active_max allow: turns by number, and among them the share of the
-- late and returning. Eager newcomers who were called come after the turns. True when somebody may still be asking.
local eager_called, eager_next, eager_called_n = {}, 1, 0

local function grant(ids, numbers, n)
  local unknown, unknown_n = {}, 0
  for i = 1, n do
    if not entries[numbers[i]] then
      unknown_n = unknown_n + 1
      unknown[unknown_n] = numbers[i]
    end
  end
  learn_entries(unknown, unknown_n)
  for i = 1, n do
    local id = ids[i]
    put(ASKING, id, false)
    put(ASKING_TURN, id, false)
    put(ASKING_LATE, id, false)
    put(INSIDE, id, now_us + pass_idle_us)
    put(INSIDE_ORDER, id, entries_seq + i)
    set_entries(numbers[i], min(entries[numbers[i]] + 1, 14))
  end
  credit, entries_seq, entered, minute = credit - n * ENTRY, entries_seq + n, entered + n, minute + n
  flush_bits(ENTRIES, entry_bits, entry_n)
  entry_bits, entry_n = {}, 0
  flush()
  lengths.on_time = nil
end

local function enter()
  if not moves() then return false end
  local allowed = min(floor(credit / ENTRY), max(active_max - length(INSIDE), 0))
  local most = min(allowed, ENTRIES_MAX)
  if most == 0 then return false end
  local turns = call('ZRANGEBYSCORE', ASKING_TURN, '-inf', head, 'WITHSCORES', 'LIMIT', 0, most)
  local late = call('ZRANGE', ASKING_LATE, 0, most - 1, 'WITHSCORES')
  local turn_at, late_at, ids, numbers, n = 1, 1, {}, {}, 0
  while n < most do
    local on_time, is_late = turns[turn_at] or eager_next <= eager_called_n, late[late_at]
    if on_time and is_late then
      late_due = late_due + late_share_ppm
      is_late = late_due >= ENTRY
      if is_late then late_due = late_due - ENTRY end
    elseif not on_time and not is_late then
      break
    end
    n = n + 1
    if is_late then
      ids[n], numbers[n], late_at = late[late_at], tonumber(late[late_at + 1]), late_at + 2
    elseif turns[turn_at] then
      ids[n], numbers[n], turn_at = turns[turn_at], tonumber(turns[turn_at + 1]), turn_at + 2
    else
      numbers[n] = eager_called[eager_next]
      ids[n], eager_next = ARGV[EAGER + numbers[n] - first + 1], eager_next + 1
    end
  end
  if n > 0 then grant(ids, numbers, n) end
  if most < allowed and n == most and asking_on_time() + length(ASKING_LATE) > 0 then more = true end
  return n == most
end

local function effective_rate()
  if length(INSIDE) < active_max then return rate end
  local fading = 60 * SECOND_US - min(now_us - minute_us, 60 * SECOND_US)
  return min(rate, (minute + floor(minute_before * fading / (60 * SECOND_US))) * 60)
end

-- Whether a full presence window of unbroken listening has passed, so that absence is proven.
local proven = now_us - listen_us >= window_us()

-- The next number present after `head`. Presence is read a page at a time from each of the three slices; a page that
-- holds nobody is followed by a search of the server's own, whose result holds until `head` gets there.
local PAGE_BYTES = PAGE_NUMBERS / 8
local page, page_bytes, byte_found, search_found = nil, {}, {}, {-1, -1, -1}

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
    if byte_found[i] and byte_found[i] < at then byte_found[i] = page_bytes[i]:find('[^%z]', at) or false end
    if byte_found[i] and (not nearest or byte_found[i] < nearest) then nearest = byte_found[i] end
  end
  return nearest and page * PAGE_BYTES + nearest - 1
end

-- The same, anywhere up to the tail.
local function search_line(byte)
  local last, nearest = floor(tail / 8), nil
  if byte > last then return nil end
  for i = 1, 3 do
    if search_found[i] and search_found[i] < byte then
      local at = call('BITPOS', KEYS[PRESENT_FIRST + i - 1], 1, format('%d', byte), format('%d', last))
      search_found[i] = at >= 0 and floor(at / 8)
    end
    if search_found[i] and (not nearest or search_found[i] < nearest) then nearest = search_found[i] end
  end
  return nearest
end

local function next_present()
  local byte, keep = floor((head + 1) / 8), bit.rshift(255, (head + 1) % 8)
  while byte do
    if floor(byte / PAGE_BYTES) ~= page then load_page(floor(byte / PAGE_BYTES)) end
    local at = search_page(byte)
    if at == byte then
      local b, some = byte - page * PAGE_BYTES + 1, 0
      for i = 1, 3 do some = bit.bor(some, page_bytes[i]:byte(b) or 0) end
      some = bit.band(some, keep)
      if some > 0 then
        local number = byte * 8
        while some < 128 do some, number = some * 2, number + 1 end
        return number <= tail and number or nil
      end
      at = search_page(byte + 1)
    end
    byte, keep = at or search_line((page + 1) * PAGE_BYTES), 255
  end
end

-- How many are asking under this number, which is above the `head` this exchange began to call from. Those asking
-- ahead are read in order, some at a time; numbers looked up only rise.
local ahead, ahead_at, ahead_read, ahead_from = {}, 1, 0, nil
local function asking_at(number)
  local n = 0
  while true do
    if ahead_at > #ahead then
      if ahead_read % AHEAD_ROWS ~= 0 then return n end
      ahead = call('ZRANGEBYSCORE', ASKING_TURN, ahead_from, '+inf', 'WITHSCORES', 'LIMIT', ahead_read, AHEAD_ROWS)
      ahead_at, ahead_read = 1, ahead_read + #ahead / 2
      if #ahead == 0 then
        ahead_read = ahead_read + 1
        return n
      end
    end
    local score = tonumber(ahead[ahead_at + 1])
    if score > number then return n end
    if score == number then n = n + 1 end
    ahead_at = ahead_at + 2
  end
end

-- call: raises `head` while the stock of people about to ask is too small, counted in thousandths of a person.
local function call_visitors()
  if not moves() then return end
  local wanted = max(floor(effective_rate() * (2 * floor(delay_us / 1000) + 5000) / 3600), 2000)
  local late = min(length(ASKING_LATE) * 1000, floor(floor(wanted / 1000) * late_share_ppm / 1000))
  local young = call('ZCOUNT', CALLED, format('(%.0f', young_since()), '+inf')
  local asking, calls, pages, last_page = asking_on_time(), 0, 0, nil
  ahead_from = format('(%d', head)
  while asking * 1000 + late + floor(young * share_ppm / 1000) < wanted and head < tail do
    if calls == CALLS_MAX then
      more = true
      break
    end
    local number = head + 1
    if proven then number = next_present() end
    if not number then break end
    if proven and floor(number / PAGE_NUMBERS) ~= last_page then
      last_page, pages = floor(number / PAGE_NUMBERS), pages + 1
      if pages > PAGES_MAX then
        more = true
        break
      end
    end
    head, calls = number, calls + 1
    local waiting = asking_at(number)
    if waiting > 0 then
      asking = asking + waiting
    elseif number >= first and number < first + eager_n and number < first + issued then
      eager_called_n, asking = eager_called_n + 1, asking + 1
      eager_called[eager_called_n] = number
    else
      give_turn(number)
      young = young + 1
    end
  end
  if calls > 0 then lengths.on_time = nil end
end

-- Who enters first; then some are called; then those of them who are asking enter. The last step has nothing to do
-- when the first had places left over and nobody was called.
local bounded = enter()
local head_before = head
call_visitors()
if bounded or head > head_before then enter() end
for i = eager_next, eager_called_n do give_turn(eager_called[i]) end
flush()
