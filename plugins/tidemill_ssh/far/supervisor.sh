# Runs one step on the far end, and ends all of it. POSIX sh on Linux, nothing else needed.
# Whole lines that are comments are not sent. No apostrophes in what is.
#
#   fd 0  orders: first $3 bytes of shell that start the step, then one order a line
#   fd 1  what the step writes
#   fd 2  what is told to the executor, in lines that start with the mark
#
# m: the mark, unique to the step; n: the number that its processes bear as their soft limit
# of file locks, which Linux ignores, but passes on to every child, whatever that does (0:
# this shell cannot set it, and the variables of the processes are looked at instead).
m=$1 n=$2 size=$3 waits=$4 until=$5 collect=$6
d=/tmp/tidemill-$m
say() { echo "$m $*" >&2; }
if [ "$n" = 0 ]; then kind=environ sign="$d/"; else kind=limits sign="file locks  *$n "; fi

# The processes of the step, also those that have left its session.
# A zombie bears its limits, too, until its new parent, init, gets round to it.
look() {
  set -- $(grep -ls -e "$sign" /proc/[0-9]*/$kind 2>/dev/null)
  found=
  for f; do
    v=Z
    while read -r k v x; do if [ "$k" = State: ]; then break; fi; done <${f%/*}/status
    case $v in Z | X) ;; *) found="$found $f" ;; esac
  done
} 2>/dev/null
signal() {
  set -- "$1" "" $found
  s=$1 list=
  shift 2
  for f; do f=${f#/proc/}; list="$list ${f%/*}"; done
  [ -z "$list" ] || kill -$s $list 2>/dev/null
}
# Asks those that were forked while their parent was asked, and so heard nothing of it. Who
# has a parent in the step is its parent to end: it may be what cleans up.
strays() {
  for f in $found; do
    p=${f#/proc/} p=${p%/*}
    case " $known " in *" $p "*) continue ;; esac
    while read -r k v x; do if [ "$k" = PPid: ]; then break; fi; done </proc/$p/status
    case "$found" in */proc/$v/*) continue ;; esac
    known="$known $p"
    kill -TERM $p
    kill -CONT $p
  done
} 2>/dev/null
# The number of the newest process there is or was: who forks and ends, over and over, is
# always near it, and too quick for a look at all.
newest() { read -r x x x x last x </proc/loadavg; }
borne() {
  case $kind in
    limits) while read -r a b c v x; do
        if [ "$c" = locks ]; then [ "$v" = "$n" ]; return; fi
      done ;;
    *) grep -qs -e "$sign" ;;
  esac
} 2>/dev/null
chase() {
  i=0
  while [ $i -lt 200 ]; do
    i=$((i + 1))
    newest
    for p in $last $((last - 1)) $((last - 2)) $((last - 3)); do
      if [ -e /proc/$p/$kind ] && borne </proc/$p/$kind; then kill -KILL $p && i=0; fi
    done 2>/dev/null
  done
}
sweep() {
  rounds=0
  while :; do
    newest
    before=$last
    look
    signal KILL
    newest
    if [ -z "$found" ] && { [ $((last - before)) -le 1 ] || [ $rounds -ge 3 ]; }; then break; fi
    rounds=$((rounds + 1))
    [ $rounds -le 2 ] || chase
  done
}
# Ends the step, and goes on with it until the main process, which is left alone, ends this.
end() {
  : >"$d/cut"
  while :; do
    sweep
    sleep 0.05 2>/dev/null || sleep 1
  done
}

# Time is counted in hundredths of a second, on the clock of the host that nobody sets.
now() { read -r u x </proc/uptime && now=${u%.*}${u#*.}; }
over() { now; [ "$now" -ge "$until" ]; }
count() {
  while ! over; do
    left=$((until - now))
    part=$((left % 100))
    [ $part -gt 9 ] || part=0$part
    { sleep $((left / 100)).$part 2>/dev/null || [ $left -lt 100 ] || sleep $((left / 100)); } &
    echo $! >"$d/nap"
    wait $!
    read -r until <"$d/until"
  done
  : >"$d/over"
  end
}
# Ends the timer. By SIGKILL: one that is caught may come just before a read that blocks.
rest() {
  for f in timer nap; do
    if read -r p <"$d/$f"; then kill -KILL "$p"; fi
  done
} 2>/dev/null
extend() {
  if [ "$until" != 0 ] && over; then : >"$d/over"; end; fi
  [ "$timer" != 0 ] && [ "$1" -ge "$until" ] || restart=1
  until=$1
  echo "$until" >"$d/until.new" && mv "$d/until.new" "$d/until"
  [ "$restart" = 1 ] || return
  restart=0
  rest
  count &
  timer=$!
  echo "$timer" >"$d/timer"
}

# The largest memory that a process of the step had, as far as somebody looked in time.
peak() {
  read -r peak <"$d/peak" && read -r todo <"$d/pid" || return
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
  echo "$peak" >"$d/peak"
} 2>/dev/null

listen() {
  timer=0 restart=0
  [ "$until" = 0 ] || { first=$until until=0; extend "$first"; }
  while read -r word value <&3; do
    case $word in
      term)
        look
        signal 0
        known=$list
        echo "$known" >"$d/asked.new" && mv "$d/asked.new" "$d/asked"
        signal TERM
        signal CONT
        look
        strays
        ;;
      kill) end ;;
      until) extend "$value" ;;
      peak) peak ;;
    esac
  done
  end
}

usage() { times >"$d/times"; { read -r x x; read -r user system; } <"$d/times"; }
finish() {
  kill -KILL "$listener" 2>/dev/null
  wait "$listener" 2>/dev/null
  rest
  sweep
}
clear() { rm -rf "$d" 2>/dev/null || { chmod -R u+rwx "$d"; rm -rf "$d"; } 2>/dev/null; }

exec 3<&0 </dev/null
trap : HUP INT TERM PIPE
mkdir -m 700 "$d" && mkdir "$d/tmp" "$d/inputs" "$d/work" || { say unfit; exit 1; }
read -r u x </proc/uptime
say ready "$u"
head -c "$size" <&3 >"$d/order"
listen >/dev/null 2>&1 &
listener=$!
usage
used="$user $system"
if [ "$until" = 0 ] || ! over; then
  case $waits in
    setsid) set -- setsid -f -w ;;
    time) set -- env time -o "$d/said" setsid ;;
    *) set -- setsid ;;
  esac
  "$@" env -i HOME="$HOME" PATH="$PATH" ${USER:+USER="$USER"} ${LOGNAME:+LOGNAME="$LOGNAME"} \
    ${SHELL:+SHELL="$SHELL"} ${LANG:+LANG="$LANG"} ${TZ:+TZ="$TZ"} \
    sh "$d/order" 3<&- 4>&2 2>>"$d/said" </dev/null
  status=$?
else
  : >"$d/over"
  status=0
fi
usage
if [ -e "$d/asked" ]; then
  read -r known <"$d/asked"
  while look; [ -n "$found" ]; do
    strays
    sleep 0.05 2>/dev/null || sleep 1
  done
fi
finish
line= peak=0 values=0
read -r line 2>/dev/null <"$d/said"
read -r peak 2>/dev/null <"$d/peak"
[ ! -e "$d/over" ] || say over
if [ -e "$d/failed" ]; then say refused exec; fi
if [ -f "$d/output" ] && [ ! -h "$d/output" ]; then
  values=$(head -c 1048577 "$d/output" | wc -c)
fi
say ended "$status" $used "$user $system" "$peak" $values "$line"
[ "$values" = 0 ] || head -c 1048577 "$d/output" >&2
if [ "$collect" = 1 ] && [ "$status" = 0 ] && [ ! -e "$d/cut" ]; then read -r x <&3; fi
clear
