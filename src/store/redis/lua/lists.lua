
-- What is known of members of sorted sets (key → member → score, or false): it stays true until the answer.
local known = {}
-- Where somebody stands, made when somebody asks or is checked; and the rows of the answer.
local standing
local codes, times, since, standing_n = {}, {}, {}, 0

if keyed_n + asks_n + checks_n + more_n + finishes_n + unasks_n > 0 then
  -- Learns the scores of the members ARGV[before + 1 .. last].
  local function learn(key, before, last)
    local rows = {}
    known[key] = rows
    if before == last then return end
    local scores = call('ZMSCORE', key, unpack(ARGV, before + 1, last))
    for i = 1, last - before do rows[ARGV[before + i]] = tonumber(scores[i]) or false end
  end

  learn(FINISHED, ASK_IDS, UNASK_IDS)
  learn(INSIDE, ASK_IDS, UNASK_IDS)
  learn(INSIDE_SINCE, ASK_IDS, FINISH_IDS)
  learn(ASKING, ASK_IDS, RENEWAL_IDS)
  learn(ASKING_TURN, UNASK_IDS, RENEWAL_IDS)
  learn(RESIGNED, ASK_IDS, CHECK_IDS)
  learn(TURNS, ASK_NUMBERS, UNASK_NUMBERS)
  learn(CALLED, ASK_NUMBERS, CHECK_NUMBERS)
  learn(LONGER, MORE_NUMBERS, FINISH_NUMBERS)
  learn(KEYED, KEYED_LIST, HEARD)
  local numbers = {}
  for i = 1, asks_n + checks_n do numbers[i] = tonumber(ARGV[ASK_NUMBERS + i]) end
  learn_entries(numbers, asks_n + checks_n)

  -- What changes of it is written at the end, in bulk.
  local changed = {}
  local function put(key, member, score)
    local rows = known[key]
    if rows then rows[member] = score end
    rows = changed[key]
    if not rows then
      rows = {}
      changed[key] = rows
    end
    rows[member] = score
  end

  local function drop_asking(id)
    if known[ASKING][id] then
      put(ASKING, id, false)
      put(ASKING_TURN, id, false)
      put(ASKING_LATE, id, false)
    end
  end

  local function drop_turn(member)
    if not known[TURNS][member] then return end
    put(TURNS, member, false)
    put(CALLED, member, false)
    put(NUMBERS, member, false)
    put(LONGER, member, false)
  end

  -- Wishes for a longer turn.
  for i = MORE_NUMBERS + 1, MORE_NUMBERS + more_n do
    local member = ARGV[i]
    local until_us, longer = known[TURNS][member], known[LONGER][member] or 0
    if until_us and longer < MORE_MAX then
      put(LONGER, member, longer + 1)
      put(TURNS, member, until_us + turn_us)
    end
  end

  -- finish: tickets and passes are spent, and what was asked only until a response is taken back.
  local spent, clears = {}, {}
  for i = 1, finishes_n do
    local id, member = ARGV[FINISH_IDS + i], ARGV[FINISH_NUMBERS + i]
    local number, kept = tonumber(member), known[FINISHED][id]
    if not kept then
      finished_seq = finished_seq + 1
      put(FINISHED_ORDER, id, finished_seq)
    end
    local until_us = max(tonumber(ARGV[FINISH_TIMES + i]), known[INSIDE][id] or 0, now_us + 1, kept or 0)
    FINISHED_DUE = min(FINISHED_DUE, until_us)
    put(FINISHED, id, until_us)
    if known[INSIDE][id] then
      put(INSIDE, id, false)
      put(INSIDE_SINCE, id, false)
      put(INSIDE_ORDER, id, false)
      put(RESIGNED, id, false)
    end
    drop_asking(id)
    if number >= 1 and number <= issued_before then
      local n = #spent
      spent[n + 1], spent[n + 2], spent[n + 3], spent[n + 4] = 'SET', 'u4', format('#%d', number), SPENT
      entries[number] = SPENT
      drop_turn(member)
      if number > head then
        n = #clears
        clears[n + 1], clears[n + 2], clears[n + 3], clears[n + 4] = 'SET', 'u1', format('%d', number), 0
        bits[bit_n + 1], bits[bit_n + 2], bits[bit_n + 3], bits[bit_n + 4] = 'SET', 'u1', clears[n + 3], 0
        bit_n = bit_n + 4
      end
    end
  end
  write_bits(ENTRIES, spent, #spent)
  for i = 1, 2 do write_bits(KEYS[PRESENT_FIRST + (slice + i) % 3], clears, #clears) end
  for i = 1, unasks_n do
    local id, member = ARGV[UNASK_IDS + i], ARGV[UNASK_NUMBERS + i]
    local asked = known[ASKING_TURN][id]
    drop_asking(id)
    if asked and asked <= head then
      TURNS_DUE, CALLED_LAST = min(TURNS_DUE, turn_now_us + turn_us), turn_now_us
      put(TURNS, member, turn_now_us + turn_us)
      put(CALLED, member, turn_now_us)
      put(NUMBERS, member, tonumber(member))
    end
  end

  -- join, with a key: the same key gets the same number.
  local lost, lost_blocks = ARGV[LOST], {}
  for i = 1, keyed_n do
    local key = ARGV[KEYED_LIST + i]
    local number = known[KEYED][key]
    if not number then
      number = 0
      if free > 0 then
        free, tail, number = free - 1, tail + 1, tail + 1
        KEYED_DUE = min(KEYED_DUE, now_us + KEYED_US)
        put(KEYED, key, number)
        put(KEYED_UNTIL, key, now_us + KEYED_US)
        local whose, index = '', 0
        if lost then whose, index = struct.unpack(LOST_FORMAT, lost, (i - 1) * LOST_BYTES + 1) end
        if index > 0 then
          stub_seq = stub_seq + 1
          lost_blocks[#lost_blocks + 1] = stub_seq
          lost_blocks[#lost_blocks + 1] = struct.pack(BLOCK_FORMAT, whose, index, 1, number)
        end
      end
    end
    keyed[i] = number
  end
  if #lost_blocks > 0 then
    call('ZADD', STUB_BLOCKS, unpack(lost_blocks))
    call('ZREMRANGEBYRANK', STUB_BLOCKS, 0, -BLOCKS_MAX - 1)
  end

  standing = function(id, number, member)
    if known[FINISHED][id] then return S_SPENT, 0, 0 end
    local until_us = known[INSIDE][id]
    if until_us then return S_INSIDE, until_us, known[INSIDE_SINCE][id] or max(until_us - pass_idle_us, 0) end
    local times_entered = entries[number]
    if number > head then return times_entered == SPENT and S_SPENT or S_WAITING, 0, 0 end
    if known[ASKING][id] then return S_ASKING, 0, 0 end
    if times_entered == 0 then
      until_us = known[TURNS][member]
      if until_us then return S_TURN, until_us, 0 end
      return S_LATE, 0, 0
    end
    if times_entered == SPENT or times_entered > returns then return S_SPENT, 0, 0 end
    return S_RETURNING, 0, 0
  end

  -- ask: who wants to enter now, and where each of them stands.
  local function ask(id, number, member)
    local code, until_us, entered_us = standing(id, number, member)
    if mode > 1 or awaited or code == S_SPENT then return code, until_us, entered_us end
    if code == S_INSIDE then
      local signed = known[RESIGNED][id] or 0
      if signed >= RESIGNS_MAX then return S_EXHAUSTED, until_us, entered_us end
      put(RESIGNED, id, signed + 1)
      return code, until_us, entered_us
    end
    if code == S_WAITING then
      if number > tail or number - head > AHEAD_MAX then return code, until_us, 0 end
      ASKED_FIRST = min(ASKED_FIRST, number)
      put(ASKING_TURN, id, number)
      -- Who asks is present.
      bits[bit_n + 1], bits[bit_n + 2], bits[bit_n + 3], bits[bit_n + 4] = 'SET', 'u1', format('%d', number), 1
      bit_n = bit_n + 4
    elseif code == S_TURN then
      local called_us = known[CALLED][member] or turn_now_us
      local delay = min(turn_now_us - min(called_us, turn_now_us), DELAY_US_MAX)
      delay_us = min(max(floor((delay_us * 49 + delay) / 50), DELAY_US_MIN), DELAY_US_MAX)
      if called_us > aged_us then share_ppm = share_ppm + floor((ENTRY - share_ppm) / 100) end
      drop_turn(member)
      ASKED_FIRST = min(ASKED_FIRST, number)
      put(ASKING_TURN, id, number)
      code = S_ASKING
    elseif code ~= S_ASKING then
      NONE_LATE = 0
      put(ASKING_LATE, id, number)
      code = S_ASKING
    end
    ASKING_DUE = min(ASKING_DUE, now_us)
    put(ASKING, id, now_us)
    return code, 0, 0
  end
  for i = 1, asks_n do
    local member = ARGV[ASK_NUMBERS + i]
    codes[i], times[i], since[i] = ask(ARGV[ASK_IDS + i], numbers[i], member)
  end
  standing_n = asks_n

  for key, rows in pairs(changed) do
    local added, removed, a, r = {}, {}, 0, 0
    for member, score in pairs(rows) do
      if score then
        added[a + 1], added[a + 2], a = score, member, a + 2
      else
        removed[r + 1], r = member, r + 1
      end
    end
    for i = 1, a, ARGS_MAX do call('ZADD', key, unpack(added, i, min(i + ARGS_MAX - 1, a))) end
    for i = 1, r, ARGS_MAX do call('ZREM', key, unpack(removed, i, min(i + ARGS_MAX - 1, r))) end
  end
end

if KEYS.places > 0 then KEYS.places = max(KEYS.places - (tail - issued_before - numbered) - asks_n, 0) end

-- Newcomers are present: whole bytes at once, the edges bit by bit.
if tail > issued_before then
  local from_number = issued_before + 1
  local low, high = floor((from_number + 7) / 8), floor((tail + 1) / 8)
  local edges = low > high and {from_number, tail + 1} or {from_number, low * 8, high * 8, tail + 1}
  issued_minute = issued_minute + tail - issued_before
  for i = 1, #edges, 2 do
    local from, width = edges[i], edges[i + 1] - edges[i]
    if width > 0 then
      bits[bit_n + 1], bits[bit_n + 2] = 'SET', format('u%d', width)
      bits[bit_n + 3], bits[bit_n + 4] = format('%d', from), 2 ^ width - 1
      bit_n = bit_n + 4
    end
  end
  if low < high then call('SETRANGE', slice_key, format('%d', low), ('\255'):rep(high - low)) end
end
if bit_n == 0 then
  call('BITFIELD', slice_key, 'GET', 'u1', 0)
else
  write_bits(slice_key, bits, bit_n)
end
