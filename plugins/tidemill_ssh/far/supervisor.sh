# Runs steps on the far end, one after another, and ends all of each. POSIX sh on Linux,
# nothing else needed. Whole lines that are comments are not sent. No apostrophes in what is.
#
#   fd 0  orders, one a line; behind "run" comes a text of shell, which starts the step
#   fd 1  what the step writes, then the sign that this was all
#   fd 2  what is told to the executor, in lines that start with the mark
#
# It is given the mark, the number of its steps, who waits for them, as which limit they bear the
# number, and begin.sh, which becomes a step.
known_as "$1" "$2"
waits=$3 flag=$4 begin=$5
say() { echo "$m $*" >&2; }
# Ends the step in the works. One that has not begun sees the file, once it bears the number.
end() {
  : >"$d/cut"
  sweep
}
# Of a few the shell looks by itself, byte by byte: with more grep is sooner there.
any_borne() {
  if [ $# -gt 3 ]; then grep -qs -e "$sign" "$@"; return; fi
  for f; do if borne <"$f"; then return; fi; done
  return 1
}
# Whether nothing is left of a short step, without a look at all processes: what it started has
# a later number than the newest one before it. In a second nobody gets through all numbers.
none_left() {
  now
  [ $kind = limits ] && [ $((now - began)) -lt 100 ] || return 1
  p=$before
  newest
  while [ "$p" -lt "$last" ]; do
    [ $((last - before)) -le 100 ] || return 1
    set --
    while [ "$p" -lt "$last" ]; do
      p=$((p + 1))
      [ ! -e /proc/$p/limits ] || set -- "$@" /proc/$p/limits
    done
    if any_borne "$@"; then return 1; fi
    newest
  done
  [ "$last" -ge "$before" ]
} 2>/dev/null

# Time is counted in hundredths of a second, on the clock of the host that nobody sets.
now() { read -r u x </proc/uptime && now=${u%.*}${u#*.}; }
over() { now; [ "$now" -ge "$until" ]; }
# The timer lives on between steps: with no step in the works its end harms nobody. The time is
# empty while it is written; where it cannot be (the disk is full), the one before counts.
count() {
  while :; do
    i=0 new=
    while [ -z "$new" ] && [ $i -lt 20 ]; do
      i=$((i + 1))
      read -r new <"$d/until" || sleep 0.02
    done
    until=${new:-$until}
    ! over || break
    left=$((until - now))
    part=$((left % 100))
    [ $part -gt 9 ] || part=0$part
    { sleep $((left / 100)).$part 2>/dev/null || [ $left -lt 100 ] || sleep $((left / 100)); } &
    echo $! >"$d/nap"
    wait $!
  done
  : >"$d/nap"
  : >"$d/over"
  end
}
# Ends the timer. By SIGKILL: one that is caught may come just before a wait that blocks.
rest() {
  [ "$timer" != 0 ] || return
  [ -e "$d/over" ] || kill -KILL "$timer"
  wait "$timer"
  if read -r p <"$d/nap"; then kill -KILL "$p"; fi
  timer=0
} 2>/dev/null
time_is() {
  until=$1
  echo "$until" >"$d/until"
  [ "$timer" = 0 ] || return
  count >/dev/null 2>&1 &
  timer=$!
}
# For the step in the works: what is over is not brought back.
extend() {
  if [ "$until" != 0 ] && over; then : >"$d/over"; end; return; fi
  [ "$1" -ge "$until" ] || rest
  time_is "$1"
}
# For the next step: a timer that may be about to act on the time of the last one is not kept.
renew() {
  now
  [ "$1" -ge "$until" ] && [ $((until - now)) -gt 100 ] || rest
  [ ! -e "$d/over" ] || rm -f "$d/over" "$d/cut"
  [ "$1" = 0 ] || time_is "$1"
}

# The largest memory that a process of the step had, as far as somebody looked in time.
peak() {
  read -r peak first <"$d/peak" || return
  todo=$first
  while [ -n "$todo" ]; do
    p=${todo%% *}
    todo=${todo#$p}
    while read -r k v x; do
      if [ "$k" = VmHWM: ]; then [ "$v" -le "$peak" ] || peak=$v; break; fi
    done </proc/$p/status
    more=
    read -r more </proc/$p/task/$p/children
    todo=${todo# }
    todo=${more:+$more }$todo
  done
  echo "$peak $first" >"$d/peak"
} 2>/dev/null

# All that there is in the folders of a step.
names() {
  set -- "$d"/* "$d"/.* "$d"/inputs/* "$d"/inputs/.* "$d"/tmp/* "$d"/tmp/.* "$d"/work/* "$d"/work/.*
  list="$*"
}
# Whether they are as the first step found them: most steps leave nothing.
fresh() {
  names
  [ "$list" = "$clean" ] || return 1
  for f in "$d/inputs" "$d/tmp" "$d/work"; do
    [ -d "$f" ] && [ ! -h "$f" ] && [ -r "$f" ] && [ -w "$f" ] && [ -x "$f" ] || return 1
  done
}
# Makes them so again. What is of the supervisor stays.
again() {
  set --
  for f in "$d"/* "$d"/.[!.]* "$d"/..?*; do
    case ${f##*/} in nap | order | main | peak | said | times | until) ;; *) set -- "$@" "$f" ;; esac
  done
  rm -rf "$@" 2>/dev/null || { chmod -R u+rwx "$@"; rm -rf "$@"; } 2>/dev/null
  mkdir "$d/tmp" "$d/inputs" "$d/work" && fresh
}
clear() { rm -rf "$d" 2>/dev/null || { chmod -R u+rwx "$d"; rm -rf "$d"; } 2>/dev/null; }
flags() { { read -r x x; read -r x flags; } </proc/self/fdinfo/1; } 2>/dev/null

usage() { times >"$d/times"; { read -r x x; read -r user system; } <"$d/times"; }
# The shell of the next step, until that has ended. Word comes to it first, then the rest of that
# line of orders is for us; where it was killed while it waited, the word is, and so another starts.
ahead() {
  word=
  until [ "$word" = run ]; do
    case $waits in
      setsid) set -- setsid -f -w ;;
      time) set -- env time -o "$d/said" setsid ;;
      *) set -- setsid ;;
    esac
    "$@" sh -c "$begin" "$d/order" "$m" "$n" "$flag" "$least" "$word" \
      4>&2 2>"$d/said"
    status=$?
    read -r word collect end_sign before began || return 1
  done
}
# One step, from its shell to the word of its end. It fails where no other may follow it.
# "kept" is told where another may follow it here: nothing was left, nobody had to end it, and
# the output is as it was (who sets it not to block does so for all that come after).
step() {
  kept=1
  ahead || return
  usage
  if [ -e "$d/asked" ]; then
    kept=0
    read -r known <"$d/asked"
    while look; [ -n "$found" ]; do
      strays
      sleep 0.05 2>/dev/null || sleep 1
    done
  fi
  none_left || sweep
  line= peak=0 values=0
  while [ ${#line} -lt 2000 ] && read -r x; do line="$line $x"; done 2>/dev/null <"$d/said"
  read -r peak x 2>/dev/null <"$d/peak"
  if [ -e "$d/over" ]; then kept=0; say over; fi
  if [ -e "$d/failed" ]; then say refused exec; fi
  [ ! -e "$d/cut" ] || kept=0
  if [ -f "$d/output" ] && [ ! -h "$d/output" ]; then
    values=$(head -c 1048577 "$d/output" | wc -c)
  fi
  was=$flags
  flags
  [ "$flags" = "$was" ] || kept=0
  if [ "$values" != 0 ]; then
    say values $values
    head -c 1048577 "$d/output" >&2
  fi
  if [ "$collect" = 0 ] || [ "$status" != 0 ]; then
    collect=0
    [ $kept = 0 ] || fresh || again || kept=0
    [ $kept = 1 ] || clear
  fi
  i=0
  until printf %s "$end_sign" 2>/dev/null || [ $i = 100 ]; do
    i=$((i + 1))
    sleep 0.05 2>/dev/null || sleep 1
  done
  say ended "$status" $used "$user" "$system" "${peak:-0}" $kept "$line"
  if [ "$collect" = 1 ]; then
    read -r word && [ "$word" = done ] || return
    kept=1
    fresh || again || kept=0
    say fresh $kept
  fi
  usage
  used="$user $system"
  [ $kept = 1 ]
}
steps() {
  trap : HUP INT TERM PIPE
  usage
  used="$user $system"
  while step; do :; done
}

# The order of a step is put into a file; a short one without a program that would do so.
take() {
  if [ "$1" = 0 ]; then
    while IFS= read -r line <&3 && [ "$line" != "$4" ]; do printf "%s\n" "$line"; done
  else
    head -c "$1" <&3
  fi >"$d/order"
  renew "$3"
  if [ "$3" != 0 ] && [ "$now" -ge "$3" ]; then : >"$d/over"; : >"$d/cut"; fi
  newest
  printf "begin\nrun %s\n" "$2 $4 $last $now"
}
ask() {
  look
  signal 0
  known=$list
  echo "$known" >"$d/asked.new" && mv "$d/asked.new" "$d/asked"
  signal TERM
  signal CONT
  look
  strays
} >/dev/null 2>&1
# What is for the supervisor of the steps goes on to it, and says by its end that all is over.
listen() {
  trap : HUP INT TERM PIPE
  timer=0 until=0
  while read -r word value rest <&3; do
    case $word in
      run) take $value $rest ;;
      done) echo done ;;
      term) ask ;;
      kill) end ;;
      until) extend "$value" ;;
      peak) peak ;;
      here) say here ;;
    esac
  done
  rest
  end
}

exec 3<&0 </dev/null
trap : HUP INT TERM PIPE
mkdir -m 700 "$d" && mkdir "$d/tmp" "$d/inputs" "$d/work" && echo $$ >"$d/main" || { say unfit; exit 1; }
for f in nap order peak said times until; do : >"$d/$f"; done
names
clean=$list
while read -r k least x; do if [ "$k" = VmHWM: ]; then break; fi; done </proc/self/status
flags
read -r u x </proc/uptime
say ready "$u"
listen | steps 3<&-
sweep
clear
