
for i = 1, checks_n do
  local member = ARGV[CHECK_NUMBERS + i]
  stand(standing(ARGV[CHECK_IDS + i], tonumber(member), member))
end

-- answer: fixed fields, then rows; script.rs has the layout.
local rows, rows_n = {}, 0
local function row(text)
  rows_n = rows_n + 1
  rows[rows_n] = text
end

-- Members that came after a sequence number, with their times; up to where they go, and how many they are.
local function news(order, times, known_seq, last_seq)
  if known_seq >= last_seq then return last_seq, 0 end
  local members = call('ZRANGEBYSCORE', order, format('(%.0f', known_seq), '+inf', 'WITHSCORES', 'LIMIT', 0, NEWS_MAX)
  local n = #members / 2
  if n == 0 then return last_seq, 0 end
  local ids = {}
  for i = 1, n do ids[i] = members[i * 2 - 1] end
  local scores = call('ZMSCORE', times, unpack(ids))
  for i = 1, n do row(struct.pack('>c32I8', ids[i], tonumber(scores[i]) or 0)) end
  if n < NEWS_MAX then return last_seq, n end
  more = true
  return tonumber(members[n * 2]), n
end

local function turns_after(number)
  if number >= head then return head, 0 end
  local members = call('ZRANGEBYSCORE', NUMBERS, format('(%d', number), '+inf', 'LIMIT', 0, NEWS_MAX)
  local n = #members
  if n == 0 then return head, 0 end
  local scores = call('ZMSCORE', TURNS, unpack(members))
  for i = 1, n do row(struct.pack('>I8I8', tonumber(members[i]), tonumber(scores[i]))) end
  if n < NEWS_MAX then return head, n end
  more = true
  return tonumber(members[n]), n
end

for i = 1, keyed_n do row(struct.pack('>I8', keyed[i])) end
for i = 1, standing_n do row(struct.pack('>I8I8', standing_codes[i], standing_times[i])) end
local entries_to, entered_n = news(INSIDE_ORDER, INSIDE, same and tonumber(ARGV[12]) or 0, entries_seq)
local finished_to, finished_n = news(FINISHED_ORDER, FINISHED, same and tonumber(ARGV[13]) or 0, finished_seq)
local turns_to, turns_n = turns_after(same and tonumber(ARGV[11]) or 0)

-- An epoch that may yet give way to an older one must not be remembered by anybody.
local certain = provisional == 0
local answer = struct.pack(ANSWER_FORMAT, sequence, certain and created or 0, certain and nonce or NO_NONCE, healing and 1 or 0, more and 1 or 0, now_us,
  turn_now_us, tail, head, first, issued, entries_to, turns_to, finished_to, slice, rate, active_max, mode,
  presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max, revision, content, length(INSIDE),
  asking_on_time(), length(ASKING_LATE), length(TURNS), entered, live, delay_us, share_ppm, effective_rate(), stock,
  keyed_n, standing_n, entered_n, finished_n, turns_n) .. table.concat(rows)
call('HSET', ANSWERED, instance, answer)
call('SET', STATE, struct.pack(STATE_FORMAT, created, nonce, provisional, store, tail, head, clock_us, now_us,
  turn_now_us, heal_until_us, credit, credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute,
  minute_before, listen_us, told_us, told_before_us, told_at_us, slice, slice_us, rate, active_max, mode, presence_us, turn_us,
  late_share_ppm, pass_idle_us, returns, line_max, revision, content, stock, entered, entries_seq, finished_seq),
  'KEEPTTL')
if touch then
  for i = 1, #KEYS do call('EXPIRE', KEYS[i], KEYS_KEPT_S) end
end
return answer
