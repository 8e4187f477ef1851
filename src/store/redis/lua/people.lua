
-- What this exchange knows of members of sorted sets (key → member → score, or false), and what of it it changed.
-- Reads come in bulk at the start and writes in bulk at the end of a section, so that an exchange costs the same
-- few commands whatever the length of its lists.
local known, changed, lengths = {}, {}, {}

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

local function flush_set(key, rows)
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
  lengths[key] = nil
end

local function flush()
  for key, rows in pairs(changed) do flush_set(key, rows) end
  changed = {}
end

local function length(key)
  local n = lengths[key]
  if not n then
    n = call('ZCARD', key)
    lengths[key] = n
  end
  return n
end

local function member_of(number)
  return format('%010d', number)
end

-- Bits to write, as the arguments of BITFIELD, four a bit.
local function flush_bits(key, bits, n)
  for i = 1, n, ARGS_MAX do call('BITFIELD', key, unpack(bits, i, min(i + ARGS_MAX - 1, n))) end
end

-- Lists: where each begins in ARGV, less one.
local eager_n, keyed_n, heard_n, asks_n, checks_n, more_n, renewals_n, finishes_n, unasks_n = tonumber(ARGV[30]),
  tonumber(ARGV[31]), tonumber(ARGV[32]), tonumber(ARGV[33]), tonumber(ARGV[34]), tonumber(ARGV[35]),
  tonumber(ARGV[36]), tonumber(ARGV[37]), tonumber(ARGV[38])
local EAGER = 38
local KEYS_OF_JOINS = EAGER + eager_n
local HEARD = KEYS_OF_JOINS + keyed_n
local ASK_IDS = HEARD + heard_n
local CHECK_IDS = ASK_IDS + asks_n
local FINISH_IDS = CHECK_IDS + checks_n
local UNASK_IDS = FINISH_IDS + finishes_n
local RENEWAL_IDS = UNASK_IDS + unasks_n
local ASK_NUMBERS = RENEWAL_IDS + renewals_n
local CHECK_NUMBERS = ASK_NUMBERS + asks_n
local MORE_NUMBERS = CHECK_NUMBERS + checks_n
local FINISH_NUMBERS = MORE_NUMBERS + more_n
local UNASK_NUMBERS = FINISH_NUMBERS + finishes_n
local RENEWAL_TIMES = UNASK_NUMBERS + unasks_n
local FINISH_TIMES = RENEWAL_TIMES + renewals_n
-- A ticket means nothing in another epoch: of such an exchange only the newcomers are looked at.
if not same then heard_n, asks_n, checks_n, more_n, renewals_n, finishes_n, unasks_n = 0, 0, 0, 0, 0, 0, 0 end

-- Learns the scores of the members ARGV[first + 1 .. last]; asks for one that never is when there are none.
local function learn(key, first, last)
  local rows = known[key]
  if not rows then
    rows = {}
    known[key] = rows
  end
  if first == last then return end
  local scores = call('ZMSCORE', key, unpack(ARGV, first + 1, last))
  for i = 1, last - first do
    rows[ARGV[first + i]] = tonumber(scores[i]) or false
  end
end

-- How often numbers entered.
local entries = {}
local function learn_entries(numbers, n)
  if n == 0 then return end
  local bits = {}
  for i = 1, n do
    local at = i * 3 - 2
    bits[at], bits[at + 1], bits[at + 2] = 'GET', 'u4', format('#%d', numbers[i])
  end
  local values = call('BITFIELD', ENTRIES, unpack(bits))
  for i = 1, n do entries[numbers[i]] = values[i] end
end

local entry_bits, entry_n = {}, 0
local function set_entries(number, value)
  entries[number] = value
  entry_bits[entry_n + 1], entry_bits[entry_n + 2] = 'SET', 'u4'
  entry_bits[entry_n + 3], entry_bits[entry_n + 4] = format('#%d', number), value
  entry_n = entry_n + 4
end
