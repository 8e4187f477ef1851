
for i = 1, checks_n do
  local member = ARGV[CHECK_NUMBERS + i]
  standing_n = standing_n + 1
  codes[standing_n], times[standing_n], since[standing_n] = standing(ARGV[CHECK_IDS + i], tonumber(member), member)
end

-- answer: fixed fields, then rows.
local rows, rows_n = {}, 0
for i = 1, keyed_n do rows[i] = struct.pack('>I8', keyed[i]) end
for i = 1, standing_n do rows[keyed_n + i] = struct.pack('>I8I8I8', codes[i], times[i], since[i]) end
rows_n = keyed_n + standing_n

-- news: members that came after a sequence number, with their times; up to where they go, and how many they are.
local entries_to, entered_n, finished_to, finished_n = entries_seq, 0, finished_seq, 0
if known_entries < entries_seq or known_finished < finished_seq then
  local function news(order, until_times, known_seq, last_seq)
    local members = call('ZRANGEBYSCORE', order, format('(%d', known_seq), '+inf', 'WITHSCORES', 'LIMIT', 0, NEWS_MAX)
    local n = #members / 2
    if n == 0 then return last_seq, 0 end
    local ids = {}
    for i = 1, n do ids[i] = members[i * 2 - 1] end
    local scores = call('ZMSCORE', until_times, unpack(ids))
    for i = 1, n do rows[rows_n + i] = struct.pack('>c32I8', ids[i], tonumber(scores[i]) or 0) end
    rows_n = rows_n + n
    if n < NEWS_MAX then return last_seq, n end
    more = true
    return tonumber(members[n * 2]), n
  end
  if known_entries < entries_seq then
    entries_to, entered_n = news(INSIDE_ORDER, INSIDE, known_entries, entries_seq)
  end
  if known_finished < finished_seq then
    finished_to, finished_n = news(FINISHED_ORDER, FINISHED, known_finished, finished_seq)
  end
end

-- turns_after
local turns_to, turns_n = head, 0
if known_turns < head then
  local members = call('ZRANGEBYSCORE', NUMBERS, format('(%d', known_turns), '+inf', 'LIMIT', 0, NEWS_MAX)
  turns_n = #members
  if turns_n > 0 then
    local scores = call('ZMSCORE', TURNS, unpack(members))
    for i = 1, turns_n do
      rows[rows_n + i] = struct.pack('>I8I8', tonumber(members[i]), tonumber(scores[i]))
    end
    if turns_n == NEWS_MAX then turns_to, more = tonumber(members[turns_n]), true end
  end
end

-- Blocks of stubs that got numbers.
local stubs_to, blocks_n = stub_seq, 0
if known_stubs < stub_seq then
  local members = call('ZRANGEBYSCORE', STUB_BLOCKS, format('(%d', known_stubs), '+inf', 'WITHSCORES', 'LIMIT', 0,
    NEWS_MAX)
  blocks_n = #members / 2
  for i = 1, blocks_n do rows[rows_n + turns_n + i] = members[i * 2 - 1] end
  if blocks_n == NEWS_MAX then stubs_to, more = tonumber(members[blocks_n * 2]), true end
end

inside_n = inside_n or call('ZCARD', INSIDE)
local turning_n = TURNS_DUE == NOTHING and 0 or call('ZCARD', TURNS)
on_time_n = on_time_n or call('ZCOUNT', ASKING_TURN, '-inf', head)
late_n = late_n or call('ZCARD', ASKING_LATE)
local effective = pace
if inside_n >= active_max then
  local fading = 60 * SECOND_US - min(now_us - minute_us, 60 * SECOND_US)
  effective = min(pace, (minute + floor(minute_before * fading / (60 * SECOND_US))) * 60)
end
-- An epoch that may yet give way to an older one must not be remembered by anybody; in one with numbers somebody has one.
if tail > 0 then provisional = 0 end
local certain = provisional == 0
-- grant_lease: what the sender may let in by itself from this answer on.
local lease = 0
if due.sharing > 0 then
  if paced == 1 and mode == 0 and not healing and not awaited and held_back_ppm < ENTRY and certain then
    lease = floor(pace / due.sharing)
  end
  if store ~= NO_ID then
    local before = struct.unpack('>I8', ARGV[1], #ARGV[1] - 15)
    call('HSET', LEASES, instance, struct.pack('>I8I8', known_now_us, max(lease, before)))
  end
end
-- In two parts, and so is the state: a function can hold 250 values at once.
local answer = struct.pack(ANSWER_BEGINS, sequence, certain and created or 0, certain and nonce or NO_NONCE,
  healing and 1 or 0, more and 1 or 0, now_us, turn_now_us, tail, head, first, issued, entries_to, turns_to,
  finished_to, slice, rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max)
  .. struct.pack(ANSWER_ENDS, guard_share_ppm, guard_recovery_us, opens_at, draw, closes_at, paced, revision,
  content, inside_n, on_time_n, late_n, turning_n, entered, live, delay_us, share_ppm, effective, stock, keyed_n, standing_n, entered_n,
  finished_n, turns_n, held_back_ppm, clock_us, opening, blocks_n, stubs_to,
  lease, due.withheld)
if #rows > 0 then answer = answer .. table.concat(rows) end
call('HSET', ANSWERED, instance, answer)
call('SET', STATE, struct.pack(STATE_BEGINS, created, nonce, provisional, store, tail, head, clock_us, now_us,
  turn_now_us, heal_until_us, credit, credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute,
  minute_before, listen_us, told_us, told_before_us, told_at_us, slice, slice_us)
  .. struct.pack(STATE_ENDS, rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns,
  line_max, revision, content, stock, entered, entries_seq, finished_seq, opening, guard_share_ppm,
  guard_recovery_us, held_back_ppm, guarded, stubs_n, stub_seq, heal_from_us,
  heal_live, heal_heard, gathers, gap_first, gap_last, issued_minute, issued_minute_before, opens_at, draw,
  closes_at, struct.pack(DUE_FORMAT, unpack(due, 1, DUE_N)), witnesses, opening_us, paced, KEYS.leased, KEYS.places,
  KEYS.counted_us), 'KEEPTTL')
if touch then
  for i = 1, #KEYS do call('EXPIRE', KEYS[i], KEYS_KEPT_S) end
end
return answer
