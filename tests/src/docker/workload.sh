#!/bin/sh
# What a test's container does; its first argument says which. Its own files stand in /ctl:
#   exit   written and followed by SIGUSR1: it ends with the code in the file
#   sick   while it is there, the health check fails and HTTP answers 503 (kept over restarts only with CHRONIC=1)
#   slow   while it is there, HTTP answers after so many seconds
#   starts how often it was started
umask 000
trap 'exit "$(cat /ctl/exit)"' USR1
trap 'exit "${STOP_CODE:-0}"' TERM INT
rm -f /ctl/exit
[ -n "$CHRONIC" ] || rm -f /ctl/sick /ctl/slow
starts=$(($(cat /ctl/starts 2>/dev/null || echo 0) + 1))
echo "$starts" > /ctl/starts
[ -z "$LOG" ] || printf '%s\n' "$LOG"
echo ready > /ctl/ready

hold() { while :; do sleep 100000 & wait $!; done; }
pause() { sleep "$1" & wait $!; }
end() { [ -z "$LAST_WORDS" ] || printf '%s\n' "$LAST_WORDS" >&2; exit "$1"; }

case "$1" in
serve) hold ;;
# end CODE SECONDS: ends with CODE after SECONDS, each time.
end) pause "$3"; end "$2" ;;
# fail TIMES CODE SECONDS: the first TIMES starts end with CODE after SECONDS; then it serves.
fail) if [ "$starts" -le "$2" ]; then pause "$4"; end "$3"; fi; hold ;;
# oom SECONDS: eats memory without end after SECONDS.
oom) pause "$2"; exec tail /dev/zero ;;
# oom_child SECONDS: a child of it does, again and again, while it goes on.
oom_child) pause "$2"; (tail /dev/zero); hold ;;
# busy: uses a whole processor.
busy) while :; do :; done ;;
# http ADDRESS: answers HTTP on /cgi-bin/health.
http) httpd -f -p "$2" -h /www & wait $!; end 1 ;;
# needs http://ADDRESS:PORT/PATH: asks it all the time and ends with 1 when there is no good answer. The address is a number: a static
# busybox resolves no names.
needs)
  rest="${2#http://}"; host="${rest%%/*}"; path="/${rest#*/}"
  while :; do
    printf 'GET %s HTTP/1.0\r\n\r\n' "$path" | nc -w 2 "${host%:*}" "${host#*:}" 2>/dev/null | head -n 1 | grep -q ' 200 ' || {
      echo "error: connect to $2: connection refused" >&2; end 1; }
    pause 0.3
  done ;;
*) echo "unknown workload: $*" >&2; exit 64 ;;
esac
