# Run once inside the new image. Boxes boot fast and alike: no timers, no machine id, no host keys of the image.
set -e
for user in admin operator guest; do useradd --no-user-group --gid users --create-home --shell /bin/bash $user; done
for user in operator guest; do echo $user:$user; done | chpasswd
usermod --append --groups sudo operator
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
groupadd --force --system render
rm -f /etc/ssh/ssh_host_* /etc/machine-id
cat > /etc/ssh/sshd_config.d/strixkit.conf <<'END'
PasswordAuthentication no
UseDNS no
PermitRootLogin prohibit-password
PerSourcePenalties no
END
printf 'Acquire::Check-Valid-Until "false";\n' > /etc/apt/apt.conf.d/90strixkit
systemctl enable systemd-networkd.service ssh.service
systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  systemd-firstboot.service console-getty.service systemd-resolved.service
systemctl set-default multi-user.target
