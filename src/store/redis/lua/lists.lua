
-- hear: bits of the current slice; what else happens to them in this exchange follows in the same list.
local slice_key = KEYS[PRESENT_FIRST + slice % 3]
local bits, bit_n = {}, 0
local function set_bits(width, number, value)
  bits[bit_n + 1], bits[bit_n + 2], bits[bit_n + 3], bits[bit_n + 4] = 'SET', width, number, value
  bit_n = bit_n + 4
end
for i = HEARD + 1, HEARD + heard_n do
  local number = tonumber(ARGV[i])
  if number >= 1 and number <= tail then set_bits('u1', ARGV[i], 1) end
end

-- renew: passes in use live on; one the store has lost is inside again, a finished one is not revived but remembered
-- for as long as that pass could be shown. Three commands, even without any, so that requests of those inside cost the
-- store nothing that an idle exchange does not.
if renewals_n == 0 then
  call('ZMSCORE', FINISHED, '-')
  call('ZREM', ASKING, '-')
  call('ZADD', INSIDE, 'XX', 0, '-')
else
  local rows, spent, ids, latest = {'GT'}, {'GT'}, {'-'}, now_us + pass_idle_us
  local finished = call('ZMSCORE', FINISHED, unpack(ARGV, RENEWAL_IDS + 1, RENEWAL_IDS + renewals_n))
  for i = 1, renewals_n do
    local id, until_us = ARGV[RENEWAL_IDS + i], min(tonumber(ARGV[RENEWAL_TIMES + i]), latest)
    if until_us > now_us then
      local to = rows
      if finished[i] then to = spent else ids[#ids + 1] = id end
      to[#to + 1] = until_us
      to[#to + 1] = id
    end
  end
  if call('ZREM', ASKING, unpack(ids)) > 0 then
    call('ZREM', ASKING_TURN, unpack(ids))
    call('ZREM', ASKING_LATE, unpack(ids))
  end
  if #rows > 1 then call('ZADD', INSIDE, unpack(rows)) end
  if #spent > 1 then call('ZADD', FINISHED, unpack(spent)) end
end

local standing_codes, standing_times, standing_n = {}, {}, 0
local free = 0
if mode <= 1 and not healing then
  free = min(max(line_max - (tail - head), 0), max(NUMBER_MAX - tail, 0))
end
local first, issued, keyed = tail + 1, min(joins, free), {}

local function learn_visitors()
  learn(FINISHED, ASK_IDS, UNASK_IDS)
  learn(INSIDE, ASK_IDS, UNASK_IDS)
  learn(ASKING, ASK_IDS, RENEWAL_IDS)
  learn(ASKING_TURN, UNASK_IDS, RENEWAL_IDS)
  learn(RESIGNED, ASK_IDS, CHECK_IDS)
  learn(TURNS, ASK_NUMBERS, FINISH_NUMBERS)
  learn(CALLED, ASK_NUMBERS, CHECK_NUMBERS)
  learn(LONGER, MORE_NUMBERS, FINISH_NUMBERS)
  learn(KEYED, KEYS_OF_JOINS, HEARD)
  local numbers = {}
  for i = 1, asks_n + checks_n do numbers[i] = tonumber(ARGV[ASK_NUMBERS + i]) end
  learn_entries(numbers, asks_n + checks_n)
end

local function drop_asking(id)
  if known[ASKING][id] then
    put(ASKING, id, false)
    put(ASKING_TURN, id, false)
    put(ASKING_LATE, id, false)
  end
end

local function drop_turn(member)
  put(TURNS, member, false)
  put(CALLED, member, false)
  put(NUMBERS, member, false)
  put(LONGER, member, false)
end

local function give_turn(number)
  local member = member_of(number)
  put(TURNS, member, turn_now_us + turn_us)
  put(CALLED, member, turn_now_us)
  put(NUMBERS, member, number)
end

-- Wishes for a longer turn.
local function lengthen()
  for i = MORE_NUMBERS + 1, MORE_NUMBERS + more_n do
    local member = ARGV[i]
    local until_us, longer = known[TURNS][member], known[LONGER][member] or 0
    if until_us and longer < MORE_MAX then
      put(LONGER, member, longer + 1)
      put(TURNS, member, until_us + turn_us)
    end
  end
end

-- finish: tickets and passes are spent, and what was asked only until a response is taken back.
local function finish()
  local clears = {}
  for i = 1, finishes_n do
    local id, member = ARGV[FINISH_IDS + i], ARGV[FINISH_NUMBERS + i]
    local number = tonumber(member)
    local kept = known[FINISHED][id]
    if not kept then
      finished_seq = finished_seq + 1
      put(FINISHED_ORDER, id, finished_seq)
    end
    put(FINISHED, id, max(tonumber(ARGV[FINISH_TIMES + i]), known[INSIDE][id] or 0, now_us + 1, kept or 0))
    put(INSIDE, id, false)
    put(INSIDE_ORDER, id, false)
    put(RESIGNED, id, false)
    drop_asking(id)
    if number >= 1 and number <= tail then
      set_entries(number, SPENT)
      drop_turn(member)
      if number > head then
        local at = #clears
        clears[at + 1], clears[at + 2], clears[at + 3], clears[at + 4] = 'SET', 'u1', format('%d', number), 0
        set_bits('u1', clears[at + 3], 0)
      end
    end
  end
  for i = 1, 2 do flush_bits(KEYS[PRESENT_FIRST + (slice + i) % 3], clears, #clears) end
  for i = 1, unasks_n do
    local id = ARGV[UNASK_IDS + i]
    local asked = known[ASKING_TURN][id]
    drop_asking(id)
    if asked and asked <= head then give_turn(tonumber(ARGV[UNASK_NUMBERS + i])) end
  end
end

-- join: numbers for newcomers, and presence for all of them: whole bytes at once, the edges bit by bit.
local function join()
  tail = tail + issued
  free = free - issued
  for i = 1, keyed_n do
    local key = ARGV[KEYS_OF_JOINS + i]
    local number = known[KEYED][key]
    if not number then
      number = 0
      if free > 0 then
        free, tail, number = free - 1, tail + 1, tail + 1
        put(KEYED, key, number)
        put(KEYED_UNTIL, key, now_us + KEYED_US)
      end
    end
    keyed[i] = number
  end
  local last = tail + 1
  local low, high = floor((first + 7) / 8), floor(last / 8)
  local function edge(from, to)
    if from < to then set_bits(format('u%d', to - from), format('%d', from), 2 ^ (to - from) - 1) end
  end
  if low > high then
    edge(first, last)
  else
    edge(first, low * 8)
    edge(high * 8, last)
    if low < high then call('SETRANGE', slice_key, format('%d', low), ('\255'):rep(high - low)) end
  end
end

-- Where a visitor stands: the standing's code and its time.
local function standing(id, number, member)
  if known[FINISHED][id] then return 7, 0 end
  local until_us = known[INSIDE][id]
  if until_us then return 5, until_us end
  local entered_times = entries[number]
  if number > head then
    if entered_times == SPENT then return 7, 0 end
    return 0, 0
  end
  if known[ASKING][id] then return 4, 0 end
  if entered_times == 0 then
    until_us = known[TURNS][member]
    if until_us then return 1, until_us end
    return 2, 0
  end
  if entered_times == SPENT or entered_times > returns then return 7, 0 end
  return 3, 0
end

-- Learns from a turn that was answered.
local function turn_answered(called_us)
  local delay = min(turn_now_us - min(called_us, turn_now_us), DELAY_US_MAX)
  delay_us = min(max(floor((delay_us * 49 + delay) / 50), DELAY_US_MIN), DELAY_US_MAX)
  if called_us > aged_us then share_ppm = share_ppm + floor((ENTRY - share_ppm) / 100) end
end

-- ask: who wants to enter now, and where each of them stands.
local function ask_one(id, number, member)
  local code, until_us = standing(id, number, member)
  if mode > 1 then return code, until_us end
  if code == 5 then
    local signed = known[RESIGNED][id] or 0
    if signed >= RESIGNS_MAX then return 6, until_us end
    put(RESIGNED, id, signed + 1)
  elseif code == 0 then
    if number <= tail and number - head <= AHEAD_MAX then
      put(ASKING_TURN, id, number)
      put(ASKING, id, now_us)
      -- Who asks is present.
      set_bits('u1', format('%d', number), 1)
    end
  elseif code == 4 then
    put(ASKING, id, now_us)
  elseif code == 1 then
    turn_answered(known[CALLED][member] or turn_now_us)
    drop_turn(member)
    put(ASKING_TURN, id, number)
    put(ASKING, id, now_us)
    return 4, 0
  elseif code == 2 or code == 3 then
    put(ASKING_LATE, id, number)
    put(ASKING, id, now_us)
    return 4, 0
  end
  return code, until_us
end

local function stand(code, until_us)
  standing_n = standing_n + 1
  standing_codes[standing_n], standing_times[standing_n] = code, until_us
end

if keyed_n + asks_n + checks_n + more_n + finishes_n + unasks_n > 0 then
  learn_visitors()
  lengthen()
  finish()
end
if joins + keyed_n > 0 then join() end
for i = 1, asks_n do
  local member = ARGV[ASK_NUMBERS + i]
  stand(ask_one(ARGV[ASK_IDS + i], tonumber(member), member))
end
if bit_n == 0 then
  call('BITFIELD', slice_key, 'GET', 'u1', 0)
else
  flush_bits(slice_key, bits, bit_n)
end
flush_bits(ENTRIES, entry_bits, entry_n)
entry_bits, entry_n = {}, 0
flush()
