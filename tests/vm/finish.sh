# Run once inside the new system, before it is made a disk. It boots fast and asks nothing; no timers, no host keys.
set -e
for user in admin operator; do useradd --no-user-group --gid users --create-home --shell /bin/bash $user; done
echo operator:operator | chpasswd
usermod --append --groups sudo operator
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key
cat > /etc/ssh/sshd_config.d/strixkit.conf <<'END'
PasswordAuthentication no
UseDNS no
PermitRootLogin prohibit-password
PerSourcePenalties no
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
END
echo vm > /etc/hostname
echo '127.0.0.1 localhost vm' > /etc/hosts
echo 'LABEL=root / ext4 defaults,noatime 0 1' > /etc/fstab
cat > /etc/systemd/network/10-wire.network <<'END'
[Match]
Name=en* eth*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
DNS=10.0.2.3
END
cat > /etc/default/grub <<'END'
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=ttyS0 mitigations=off"
GRUB_TERMINAL=serial
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_DISABLE_OS_PROBER=true
END
# The rest is for speed: software emulation takes half a minute for a boot with everything.
sed -i 's/^MODULES=.*/MODULES=list/; s/^BUSYBOX=.*/BUSYBOX=n/' /etc/initramfs-tools/initramfs.conf
printf 'COMPRESS=zstd\nCOMPRESSLEVEL=1\n' > /etc/initramfs-tools/conf.d/fast
printf 'virtio_pci\nvirtio_blk\next4\n' > /etc/initramfs-tools/modules
systemctl enable systemd-networkd.service ssh.service
systemctl disable tuned.service
systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-firstboot.service systemd-resolved.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  sys-kernel-config.mount proc-sys-fs-binfmt_misc.automount systemd-binfmt.service modprobe@.service \
  kmod-static-nodes.service systemd-network-generator.service systemd-pstore.service systemd-random-seed.service \
  systemd-update-utmp.service getty@.service serial-getty@.service systemd-udev-load-credentials.service \
  sshd-keygen.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service systemd-logind-varlink.socket
mkdir -p /etc/systemd/system-generators
for name in gpt-auto hibernate-resume rc-local run ssh system-update tpm2; do
  ln -s /dev/null /etc/systemd/system-generators/systemd-$name-generator
done
for name in ata_piix ata_generic button evdev serio_raw vsock vmw_vmci; do
  echo "blacklist $name"
done > /etc/modprobe.d/slow.conf
DEBIAN_FRONTEND=noninteractive pam-auth-update --remove systemd  # a user's own systemd for each login
systemctl set-default multi-user.target
update-initramfs -u
