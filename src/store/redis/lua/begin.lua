-- One exchange of a room's line: the rules of the Rust module `line`, step by step and under the same names.
--
-- KEYS and ARGV are laid out by wire.rs; script.rs puts the line's constants in front of this text. Numbers stay
-- below 2^53, so that a Lua number holds them exactly; where one goes into a command as text it is written with
-- format(), because Lua's and some servers' own conversion rounds or writes an exponent. Identifiers stay text.

local call, floor, min, max, format = redis.call, math.floor, math.min, math.max, string.format
local STATE, ANSWERED, SEEN, CONTENTS, PRESENT_0, PRESENT_1, PRESENT_2, ENTRIES, TURNS, CALLED, NUMBERS, LONGER,
  ASKING, ASKING_TURN, ASKING_LATE, INSIDE, INSIDE_ORDER, RESIGNED, FINISHED, FINISHED_ORDER, KEYED, KEYED_UNTIL =
  unpack(KEYS)

-- The same exchange again gets the same answer; an older one is told which was the last.
local instance, sequence = ARGV[2], tonumber(ARGV[3])
local last = call('HGET', ANSWERED, instance)
if last then
  local answered = struct.unpack('>I8', last)
  if sequence == answered then return last end
  if sequence < answered then return answered end
end

local told, joins = tonumber(ARGV[14]), tonumber(ARGV[15])
local known_created, known_nonce, known_now_us = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[10])
local stored = call('GET', STATE)
local created, nonce, provisional, store, tail, head, clock_us, now_us, turn_now_us, heal_until_us, credit,
  credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute, minute_before, listen_us, told_us,
  told_before_us, told_at_us, slice, slice_us, rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns,
  line_max, revision, content, stock, entered, entries_seq, finished_seq
if stored then
  created, nonce, provisional, store, tail, head, clock_us, now_us, turn_now_us, heal_until_us, credit,
  credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute, minute_before, listen_us, told_us,
  told_before_us, told_at_us, slice, slice_us, rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns,
  line_max, revision, content, stock, entered, entries_seq, finished_seq = struct.unpack(STATE_FORMAT, stored)
else
  rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max = DEFAULT_SETTINGS
  revision, content = 0, ('0'):rep(32)
end

local clock = tonumber(ARGV[1])
if not clock then
  local time = call('TIME')
  clock = time[1] * 1000000 + time[2]
end

-- The keys are touched when something begins or ends, so that what nobody uses any more goes away by itself.
local touch = ARGV[18] == '1'

local function moves()
  return mode == 0 and rate > 0 and now_us >= heal_until_us
end

local function window_us()
  return max(presence_us, floor(max(told_us, told_before_us) * 5 / 2))
end

local function heal()
  heal_until_us = now_us + HEAL_US
  credit, credit_rest = 0, 0
  listen_us = now_us
end

-- Starts a line that has no epoch: the one the replica knows, or a new one.
local function found(at_us)
  store = ARGV[4]
  clock_us = at_us
  if known_created then
    created, nonce, provisional, now_us = known_created, known_nonce, 0, known_now_us
  else
    created, nonce, provisional, now_us = at_us, ARGV[5], 1, at_us
  end
  tail, head, heal_until_us, credit, credit_rest, late_due = 0, 0, 0, 0, 0, 0
  minute, minute_before, told_us, told_before_us, told_at_us = 0, 0, 0, 0, 0
  stock, entered, entries_seq, finished_seq = 0, 0, 0, 0
  share_ppm, delay_us, slice = 1000000, DELAY_US, 1
  turn_now_us, aged_us, minute_us, slice_us, listen_us = now_us, now_us, now_us, now_us, now_us
  if store == NO_STORE and provisional == 1 then
    credit = ENTRY
  else
    heal()
  end
  call('UNLINK', unpack(KEYS, EPOCH_KEYS_FIRST))
  touch = true
end

-- begin
if not created then found(clock) end

-- advance: line time follows the store's clock by at most two seconds an exchange and never backwards.
local elapsed_us = max(clock - clock_us, 0)
local unheard = elapsed_us > STEP_US_MAX or clock < clock_us
clock_us = clock
elapsed_us = min(elapsed_us, STEP_US_MAX)
now_us = now_us + elapsed_us
if unheard then listen_us = now_us end
if moves() then turn_now_us = turn_now_us + elapsed_us end
if now_us - minute_us >= 60 * SECOND_US then
  minute_us = minute_us + 60 * SECOND_US
  minute_before, minute = minute, 0
end
if now_us - slice_us >= floor(window_us() / 2) then
  slice_us, slice = now_us, slice + 1
  call('UNLINK', KEYS[PRESENT_FIRST + slice % 3])
  touch = true
end

if store ~= ARGV[4] then
  store = ARGV[4]
  heal()
end

-- adopt: while healing, a newer epoch than ours (any, if ours was only made for want of one) is the line's.
if known_created and now_us < heal_until_us and not (known_created == created and known_nonce == nonce)
  and (provisional == 1 or known_created > created or (known_created == created and known_nonce > nonce)) then
  found(clock_us)
end

-- raise_floors
local same = known_created == created and known_nonce == nonce
if same then
  local known_head = tonumber(ARGV[9])
  tail, head = max(tail, tonumber(ARGV[8]), known_head), max(head, known_head)
  entries_seq, finished_seq = max(entries_seq, tonumber(ARGV[12])), max(finished_seq, tonumber(ARGV[13]))
  if now_us < heal_until_us and known_now_us > now_us then
    heal_until_us = heal_until_us + known_now_us - now_us
    now_us, listen_us = known_now_us, known_now_us
  end
end
local healing = now_us < heal_until_us
if not healing then provisional = 0 end

-- listen
if now_us - told_at_us > window_us() then told_before_us, told_us, told_at_us = told_us, 0, now_us end
told_us = max(told_us, told)
local more = false
local live = 0
do
  local rows = call('ZRANGE', SEEN, 0, -1, 'WITHSCORES')
  local silent, heard, is_new, gone = 0, 0, true, {}
  local left_us, missing_us, live_us = max(now_us - window_us(), 0), max(now_us - MISSING_US, 0), max(now_us - LIVE_US, 0)
  local forget_us = max(now_us - FORGET_US, 0)
  -- One that leaves is not waited for, but its last answer is kept, in case it gets lost.
  local at_us = ARGV[18] == '1' and left_us or now_us
  local function count(score)
    if score > left_us then silent = silent + 1 end
    if score > missing_us then heard = heard + 1 end
    if score > live_us then live = live + 1 end
  end
  for i = 1, #rows, 2 do
    local score = tonumber(rows[i + 1])
    if rows[i] == instance then is_new = score < missing_us end
    if score <= forget_us and #gone < ITEMS_MAX then
      gone[#gone + 1] = rows[i]
    elseif rows[i] ~= instance then
      count(score)
    end
  end
  count(at_us)
  if is_new then listen_us = now_us end
  if #gone > 0 then
    call('ZREM', SEEN, unpack(gone))
    call('HDEL', ANSWERED, unpack(gone))
  end
  call('ZADD', SEEN, at_us, instance)
  if silent > heard then listen_us = now_us end
end

-- age_turns: turns that are no longer young were not answered in time.
local function young_since()
  return max(turn_now_us - min(2 * delay_us, 60 * SECOND_US), 0)
end
do
  local boundary = young_since()
  if boundary > aged_us then
    local unanswered = call('ZCOUNT', CALLED, format('(%.0f', aged_us), boundary)
    for _ = 1, min(unanswered, AGED_MAX) do
      share_ppm = share_ppm - floor(share_ppm / 100)
    end
    share_ppm = max(share_ppm, SHARE_PPM_MIN)
    aged_us = boundary
  end
end

-- expire: what has run out goes, a bounded number of each kind.
local function expire(key, until_us, ...)
  local rows = call('ZRANGEBYSCORE', key, '-inf', until_us, 'LIMIT', 0, ITEMS_MAX)
  if #rows == 0 then return end
  if #rows == ITEMS_MAX then more = true end
  for i = 0, select('#', ...) do
    call('ZREM', i == 0 and key or (select(i, ...)), unpack(rows))
  end
end
expire(INSIDE, now_us, INSIDE_ORDER, RESIGNED)
expire(FINISHED, now_us, FINISHED_ORDER)
expire(TURNS, turn_now_us, CALLED, NUMBERS, LONGER)
expire(ASKING, max(now_us - window_us(), 0), ASKING_TURN, ASKING_LATE)
expire(KEYED_UNTIL, now_us, KEYED)

-- accrue: credit fills for the time that passed, at the rate that was in force.
local function credit_max()
  return max(floor(rate * ENTRY / 3600), ENTRY)
end
if mode == 0 and not healing then
  local filled = elapsed_us * rate + credit_rest
  credit, credit_rest = credit + floor(filled / 3600), filled % 3600
  if credit >= credit_max() then credit, credit_rest = credit_max(), 0 end
end

-- follow: settings from a replica's file, and what the origin said of its stock.
local function set(...)
  local before = mode
  rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max = ...
  revision = revision + 1
  credit = min(credit, credit_max())
  if mode == 0 and before ~= 0 then listen_us = now_us end
end
if ARGV[19] ~= '' then
  local proposed = ARGV[19]
  local known = call('ZSCORE', CONTENTS, proposed)
  if (ARGV[20] == '1' or not known) and proposed ~= content then
    content = proposed
    set(tonumber(ARGV[21]), tonumber(ARGV[22]), tonumber(ARGV[23]), tonumber(ARGV[24]), tonumber(ARGV[25]),
      tonumber(ARGV[26]), tonumber(ARGV[27]), tonumber(ARGV[28]), tonumber(ARGV[29]))
  end
  if not known then
    call('ZADD', CONTENTS, revision, proposed)
    call('ZREMRANGEBYRANK', CONTENTS, 0, -CONTENTS_MAX - 1)
  end
end
if ARGV[16] ~= '' then stock = ARGV[16] + 1 end
if ARGV[17] == '1' and mode <= 1 then
  set(rate, active_max, 3, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max)
end
