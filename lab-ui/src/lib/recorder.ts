/** Camera and microphone; a recording is a WAV file when it is stopped. */
import { t } from './i18n/index.svelte';
import { wav } from './pixels';

/** Seconds after which a recording ends by itself. */
const LONGEST = 30;

/** Ask for a device; browsers have them for pages of this machine, and for others over HTTPS alone. */
export async function openDevice(constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new Error(t('watch.insecure'));
  return navigator.mediaDevices.getUserMedia(constraints);
}

/** Start to record. */
export async function record(): Promise<{ stop: () => Promise<File> }> {
  const stream = await openDevice({ audio: true });
  const recorder = new MediaRecorder(stream);
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  const end = window.setTimeout(() => recorder.state === 'recording' && recorder.stop(), LONGEST * 1000);
  const stopped = new Promise<void>((resolve) => {
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      resolve();
    };
  });
  return {
    stop: async () => {
      window.clearTimeout(end);
      if (recorder.state === 'recording') recorder.stop();
      await stopped;
      const context = new AudioContext();
      const sound = await context.decodeAudioData(await new Blob(parts).arrayBuffer());
      const file = new File([wav(sound.getChannelData(0), sound.sampleRate)], 'recording.wav');
      await context.close();
      return file;
    },
  };
}
