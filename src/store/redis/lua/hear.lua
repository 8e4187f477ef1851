
-- Bits of the current slice to write, as the arguments of BITFIELD, four a bit; and how to write such arguments.
local slice_key = KEYS[PRESENT_FIRST + slice % 3]
local bits, bit_n = {}, 0
local function write_bits(key, list, n)
  for i = 1, n, ARGS_MAX do call('BITFIELD', key, unpack(list, i, min(i + ARGS_MAX - 1, n))) end
end

-- How often numbers entered, and how to learn it.
local entries = {}
local function learn_entries(numbers, n)
  if n == 0 then return end
  local gets = {}
  for i = 1, n do
    gets[i * 3 - 2], gets[i * 3 - 1], gets[i * 3] = 'GET', 'u4', format('#%d', numbers[i])
  end
  local values = call('BITFIELD', ENTRIES, unpack(gets))
  for i = 1, n do entries[numbers[i]] = values[i] end
end

-- hear
for i = HEARD + 1, HEARD + heard_n do
  local number = tonumber(ARGV[i])
  if number >= 1 and number <= tail then
    bits[bit_n + 1], bits[bit_n + 2], bits[bit_n + 3], bits[bit_n + 4] = 'SET', 'u1', ARGV[i], 1
    bit_n = bit_n + 4
  end
end

-- renew: passes in use live on; one the store has lost is inside again, a finished one is not revived but remembered
-- for as long as that pass could be shown. Three commands, even without any, so that requests of those inside cost the
-- store nothing that an idle exchange does not.
if renewals_n == 0 then
  call('ZMSCORE', FINISHED, '-')
  call('ZREM', ASKING, '-')
  call('ZADD', INSIDE, 'XX', 0, '-')
else
  local rows, since, spent, ids, latest = {'GT'}, {'NX'}, {'GT'}, {'-'}, now_us + pass_idle_us
  local finished = call('ZMSCORE', FINISHED, unpack(ARGV, RENEWAL_IDS + 1, RENEWAL_IDS + renewals_n))
  for i = 1, renewals_n do
    local id, until_us = ARGV[RENEWAL_IDS + i], min(tonumber(ARGV[RENEWAL_TIMES + i]), latest)
    if until_us > now_us then
      local to = rows
      if finished[i] then
        to = spent
      else
        ids[#ids + 1], INSIDE_DUE = id, min(INSIDE_DUE, until_us)
        since[#since + 1] = min(tonumber(ARGV[RENEWAL_ENTERED + i]), now_us)
        since[#since + 1] = id
      end
      to[#to + 1] = until_us
      to[#to + 1] = id
    end
  end
  if call('ZREM', ASKING, unpack(ids)) > 0 then
    call('ZREM', ASKING_TURN, unpack(ids))
    call('ZREM', ASKING_LATE, unpack(ids))
  end
  if #rows > 1 and call('ZADD', INSIDE, unpack(rows)) > 0 then call('ZADD', INSIDE_SINCE, unpack(since)) end
  if #spent > 1 then call('ZADD', FINISHED, unpack(spent)) end
end
